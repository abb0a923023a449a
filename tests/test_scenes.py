"""Mine scenes: the same seed gives the same pictures, and boxes tell exactly what was drawn."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from minehat import MineHatError, scenes
from minehat.labels import read_split
from minehat.pictures import read_picture
from minehat.scenes.backdrop import build_backdrop
from minehat.scenes.people import Walker, looks_by_chance
from minehat.scenes.stage import heads_seen, people_on

SIZE = (480, 270)


@pytest.fixture(scope="module")
def views() -> list[scenes.SceneFrame]:
    return [scenes.picture(seed, *SIZE) for seed in range(12)]


def test_the_same_seed_gives_the_same_frames_to_the_bit():
    first, again = (list(scenes.film(11, 4, *SIZE)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.identities, other.identities)


def test_another_seed_gives_another_gallery():
    one, other = (scenes.picture(seed, *SIZE, people=0).frame.astype(int) for seed in (1, 2))
    assert np.abs(one - other).mean() > 5


def test_a_short_film_is_the_beginning_of_a_longer_one():
    short, longer = (list(scenes.film(4, count, *SIZE)) for count in (2, 5))
    np.testing.assert_array_equal(short[-1].frame, longer[1].frame)


def test_pictures_have_the_shapes_and_types_that_they_promise(views):
    for view in views:
        assert view.frame.shape == (SIZE[1], SIZE[0], 3) and view.frame.dtype == np.uint8
        rows = len(view.boxes)
        assert view.boxes.shape == (rows, 4) and view.boxes.dtype == np.float32
        assert view.labels.shape == (rows,) and view.labels.dtype == np.int64
        assert view.identities.shape == (rows,) and view.identities.dtype == np.int64
        assert len(set(view.identities.tolist())) == rows
        assert set(view.labels.tolist()) <= {0, 1}


def test_boxes_lie_inside_the_frame_and_are_large_enough_to_be_seen(views):
    for view in views:
        assert (view.boxes >= 0).all() and (view.boxes <= [*SIZE, *SIZE]).all()
        sides = view.boxes[:, 2:] - view.boxes[:, :2]
        assert (sides >= scenes.SMALLEST).all()


def test_both_classes_occur(views):
    labels = np.concatenate([view.labels for view in views])
    assert (labels == 0).any() and (labels == 1).any()


def test_galleries_are_dim_but_not_black(views):
    for view in views:
        assert 25 < view.frame.mean() < 120


def test_an_empty_gallery_has_no_boxes():
    view = scenes.picture(3, *SIZE, people=0)
    assert view.boxes.shape == (0, 4) and not len(view.labels) and not len(view.identities)


def test_odd_and_small_sizes_are_drawn():
    for width, height in ((64, 64), (97, 131), (321, 181)):
        assert scenes.picture(5, width, height).frame.shape == (height, width, 3)


@pytest.mark.parametrize("seed", [2, 8])
def test_heads_keep_their_identity_and_move_little_between_frames(seed):
    frames = list(scenes.film(seed, 20, *SIZE, fps=12.5))
    shared = 0
    for before, after in pairwise(frames):
        assert after.seconds == pytest.approx(before.seconds + 0.08)
        places = dict(zip(before.identities.tolist(), zip(before.boxes, before.labels, strict=True), strict=True))
        for identity, box, label in zip(after.identities.tolist(), after.boxes, after.labels, strict=True):
            if identity in places:
                old, old_label = places[identity]
                side = max(box[2] - box[0], box[3] - box[1])
                assert np.abs(box - old).max() < 0.6 * side and label == old_label
                shared += 1
    assert shared > 19


def test_somebody_new_has_a_new_identity():
    seen: dict[int, list[float]] = {}
    for frame in scenes.film(6, 60, 160, 90, fps=1.0, people=3):
        for identity in frame.identities.tolist():
            seen.setdefault(identity, []).append(frame.seconds)
    assert len(seen) > 6
    assert all(moments == sorted(moments) and moments[-1] - moments[0] < 100 for moments in seen.values())


def _lone(seed: int) -> tuple[scenes.SceneFrame, np.ndarray]:
    """A picture of one person, and how much it differs from the same gallery without anybody, [h, w]."""
    with_one, without = (scenes.picture(seed, *SIZE, people=people) for people in (1, 0))
    return with_one, np.abs(with_one.frame.astype(int) - without.frame.astype(int)).max(axis=2)


def test_a_box_holds_the_head_that_was_drawn():
    told = 0
    for seed in (4, 6, 9, 12, 14, 22):
        view, change = _lone(seed)
        for x0, y0, x1, y1 in view.boxes.round().astype(int).tolist():
            if x1 - x0 >= 16:
                inside = change[y0:y1, x0:x1]
                around = change[max(y0 - 12, 0):max(y0 - 4, 0)]  # a strip above the head: nothing is drawn there
                assert (inside > 12).mean() > 0.3, seed
                assert (inside > 12).mean() > 4 * (around > 12).mean() or not around.size, seed
                told += 1
    assert told >= 4


def test_helmets_and_heads_differ_to_the_eye(views):
    crops: dict[int, list[float]] = {0: [], 1: []}
    for view in views:
        for (x0, y0, x1, y1), label in zip(view.boxes.astype(int).tolist(), view.labels.tolist(), strict=True):
            if y1 - y0 >= 12:
                upper = view.frame[y0:y0 + (y1 - y0) // 2, x0:x1]
                crops[label].append(float(upper.max(axis=2).mean()))
    assert len(crops[0]) > 8 and len(crops[1]) > 4
    assert np.mean(crops[0]) > np.mean(crops[1])  # helmets are bright against hair and most caps


def test_a_head_hidden_by_somebody_nearer_has_no_box():
    backdrop = build_backdrop(5, *SIZE)
    looks = looks_by_chance(np.random.default_rng(1))

    def standing(identity: int, z: float) -> Walker:
        ahead = backdrop.camera.axes[2] / backdrop.camera.axes[2][2]
        lane = float(backdrop.camera.place[0] + ahead[0] * z - backdrop.gallery.middle(np.float64(z)))
        return Walker(identity, looks, 0.0, z, 0.0, 99.0, lane, 0.0, np.zeros(4))

    near, hidden, far = standing(1, 3.0), standing(2, 3.2), standing(3, 7.0)
    for walkers, seen in (((hidden,), {2}), ((hidden, near), {1}), ((near, far), {1, 3})):
        _, _, identities = heads_seen(backdrop, people_on(backdrop, walkers, 0.0))
        assert set(identities.tolist()) == seen


def test_without_opencv_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MineHatError, match="OpenCV is missing"):
        scenes.picture(1, 64, 64)


def test_a_film_has_its_truth_beside_it(tmp_path):
    import cv2
    path = tmp_path / "walk.mp4"
    scenes.write_film(path, seed=9, seconds=0.8, width=320, height=180, fps=10)
    truth = json.loads((tmp_path / "walk.mp4.json").read_text())
    assert (truth["width"], truth["height"], truth["fps"], len(truth["frames"])) == (320, 180, 10, 8)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["walk.mp4", "walk.mp4.json"]
    capture = cv2.VideoCapture(str(path))
    for told, drawn in zip(truth["frames"], scenes.film(9, 8, 320, 180, 10), strict=True):
        good, frame = capture.read()
        assert good and np.abs(frame.astype(int) - drawn.frame.astype(int)).mean() < 8
        assert [head["identity"] for head in told["heads"]] == drawn.identities.tolist()
        for head, box, label in zip(told["heads"], drawn.boxes, drawn.labels, strict=True):
            np.testing.assert_allclose(head["box"], box, atol=0.01)
            assert head["label"] == scenes.CLASSES[label]
    assert not capture.read()[0]
    capture.release()


def test_odd_sides_of_a_film_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(MineHatError, match="even"):
        scenes.write_film(tmp_path / "odd.mp4", 1, 1.0, width=321, height=180)
    assert not list(tmp_path.iterdir())


def test_a_film_of_another_format_is_refused_before_anything_is_drawn(tmp_path):
    for name in ("a.avi", "a.json", "a"):
        with pytest.raises(MineHatError, match=r"must end in \.mp4"):
            scenes.write_film(tmp_path / name, 1, 1.0, width=64, height=64)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_part_of_a_film(tmp_path):
    """The limit on file size plays the full disk."""
    program = ("import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)); "
               "from minehat.doors import run_door; from minehat.scenes.__main__ import main; "
               "sys.exit(run_door(main, sys.argv[1:]))")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.mp4"), "--seconds", "1", "--size",
                           "160x90"], capture_output=True, text=True)
    assert done.returncode == 2 and "frames of a video could be written" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_pictures_written_as_pascal_voc_are_read_back(tmp_path):
    scenes.write_pictures(tmp_path, 3, seed=20, split="train", width=320, height=240)
    labelled = read_split(tmp_path, "train", scenes.CLASSES)
    assert len(labelled) == 3
    for seed, one in enumerate(labelled, 20):
        drawn = scenes.picture(seed, 320, 240)
        assert one.labels.tolist() == drawn.labels.tolist() and not one.ignored.any()
        assert (one.boxes[:, :2] <= drawn.boxes[:, :2]).all() and (one.boxes[:, 2:] >= drawn.boxes[:, 2:]).all()
        np.testing.assert_allclose(one.boxes, drawn.boxes, atol=1.001)
        assert np.abs(read_picture(one.path).astype(int) - drawn.frame.astype(int)).mean() < 5


def _door(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "minehat.scenes", *arguments], capture_output=True, text=True)


def test_the_door_writes_a_film(tmp_path):
    done = _door(str(tmp_path / "a.mp4"), "--seed", "3", "--seconds", "0.3", "--size", "160x90")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.mp4").stat().st_size > 1000 and (tmp_path / "a.mp4.json").is_file()


def test_the_door_says_in_one_line_what_can_be_mended(tmp_path):
    for arguments in (("--size", "12"), ("--size", "161x90"), ("--seconds", "-1"), ("--seed", "x")):
        done = _door(str(tmp_path / "a.mp4"), *arguments)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stderr.startswith("minehat.scenes: ")
    assert not list(tmp_path.iterdir())
