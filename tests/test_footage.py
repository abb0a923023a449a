"""Videos looked at here and there: the right frames at the right times, few of them decoded, whatever the container."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from films import even_film, film_of, scene
from minecalib.picking.film import Film
from minecalib.picking.footage import Footage, find_footage, frames_at, looks, spacing
from minehat.errors import MineHatError

KINDS = [("a.mp4", "libx264"), ("a.mp4", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "mpeg4"), ("a.ts", "mpeg4"),
         ("a.avi", "mjpeg")]


def looked(path: Path, every: float) -> dict[float, np.ndarray]:
    """Seconds -> frame; nothing may fail."""
    failed: dict[str, str] = {}
    shots = {seconds: frame for _, seconds, frame in looks(find_footage([path], failed), every, failed)}
    assert not failed
    return shots


def small_scenes(count: int) -> list[np.ndarray]:
    return [scene(number, height=48, width=64) for number in range(count)]


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_looks_come_when_they_should_and_are_the_frames_that_decoding_gives(tmp_path, name, codec):
    path = even_film(tmp_path / name, 30, codec=codec)
    walked = looked(path, 0.25)
    assert len(walked) == 120
    for every in (1.0, 3.0, 15.0):
        sparse = looked(path, every)
        assert len(sparse) == 30 / every
        for number, (seconds, frame) in enumerate(sparse.items()):
            assert abs(seconds - number * every) <= 2, "no farther than to the next key frame"
            nearest = min(walked, key=lambda one, at=seconds: abs(one - at))
            assert nearest == pytest.approx(seconds, abs=1e-6)
            np.testing.assert_array_equal(frame, walked[nearest])


@pytest.mark.parametrize(("name", "codec"), KINDS)
@pytest.mark.parametrize("every", [1.0, 3.0])
def test_a_frame_is_found_again_by_its_seconds(tmp_path, name, codec, every):
    path = even_film(tmp_path / name, 40, codec=codec)
    shots, failed = looked(path, every), {}
    times = list(shots)[1::3]
    again = list(frames_at(Footage(path, True, 40.0), times, every, failed))
    assert len(again) == len(times) and not failed
    for seconds, frame in zip(times, again, strict=True):
        np.testing.assert_array_equal(frame, shots[seconds])


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_look_at_a_long_film_decodes_one_frame(tmp_path, name, codec):
    path = even_film(tmp_path / name, 700, fps=1, keys=4, codec=codec)
    with Film(path, 20.0) as film:
        shots = list(film.shots(20.0 * number for number in range(35)))
        assert film.by_keys and len(shots) == film.decoded == 35
        film.check_whole()
        assert film.decoded == 35
    with Film(path, 1.0) as film:
        assert film.by_keys, "over ten minutes key frames are enough, though more was asked for"


def test_a_short_film_with_rare_key_frames_is_decoded_on_so_that_looks_are_not_missed(tmp_path):
    path = even_film(tmp_path / "a.mp4", 20, keys=1000)
    assert list(looked(path, 1.0)) == pytest.approx(range(20))


def test_seeking_goes_by_time_where_the_frame_rate_changes(tmp_path):
    """A recorder that writes four frames a second while something moves, and else one in five seconds."""
    times = np.cumsum(np.tile([0.25] * 40 + [5.0] * 20, 5))
    times -= times[0]
    path = film_of(tmp_path / "a.mkv", small_scenes(len(times)), times)
    keys, last, wanted = times[::8], -1.0, []
    for due in np.arange(0, times[-1], 45.0):
        before = keys[(keys > last) & (keys <= due)]
        if due > last and len(chosen := before[-1:] if len(before) else keys[keys >= due][:1]):
            last = chosen[0]
            wanted.append(last)
    assert list(looked(path, 45.0)) == pytest.approx(wanted) and len(wanted) > 10


def test_time_begins_with_the_first_frame_whatever_the_camera_s_clock_says(tmp_path):
    path = film_of(tmp_path / "a.ts", small_scenes(120), 5000 + np.arange(120) / 4)
    assert list(looked(path, 2.0)) == pytest.approx(range(0, 30, 2), abs=2) and min(looked(path, 2.0)) == 0


def test_a_film_without_a_length_or_an_index_is_walked_to_its_end(tmp_path):
    whole = even_film(tmp_path / "whole.avi", 30).read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[:whole.rindex(b"idx1")])
    shots = looked(path, 4.0)
    assert len(shots) == 8 and list(shots) == pytest.approx(range(0, 32, 4))


def test_a_film_that_lies_on_its_side_is_turned_as_opencv_turns_it(tmp_path):
    path = even_film(tmp_path / "a.mp4", 2)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix:matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    wanted = capture.read()[1]
    capture.release()
    for every in (0.25, 2.0):  # decoded on, and by key frames
        frame = next(iter(looked(path, every).values()))
        assert frame.shape == (64, 48, 3)
        np.testing.assert_allclose(frame.astype(int), wanted, atol=2)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "mpeg4"), ("a.avi", "mjpeg")])
def test_a_film_that_ends_early_gives_what_it_has_and_is_named(tmp_path, name, codec):
    path = even_film(tmp_path / name, 40, codec=codec)
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    failed: dict[str, str] = {}
    shots = [seconds for _, seconds, _ in looks(find_footage([path], failed), 2.0, failed)]
    assert 8 <= len(shots) <= 12 and list(failed) == [str(path)] and "ends early" in failed[str(path)]


def test_a_film_that_is_damaged_in_the_middle_gives_the_rest(tmp_path):
    path = even_film(tmp_path / "a.mkv", 60)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:middle + 2000] = bytes(2000)
    path.write_bytes(content)
    for every in (0.25, 2.0):
        shots = [seconds for _, seconds, _ in looks(find_footage([path], {}), every, {})]
        assert min(shots) < 5 and max(shots) > 55 and len(shots) > 0.7 * 60 / every


def test_what_cannot_be_opened_is_named_and_the_rest_is_found(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    even_film(tmp_path / "good.mp4", 2)
    cut = even_film(tmp_path / "cut.mp4", 4)
    cut.write_bytes(cut.read_bytes()[:2000])
    failed: dict[str, str] = {}
    found = find_footage([tmp_path, tmp_path / "absent"], failed)
    assert [one.path.name for one in found] == ["good.mp4"] and found[0].length == pytest.approx(2)
    assert sorted(Path(one).name for one in failed) == ["absent", "cut.mp4", "text.mp4"]


def test_a_video_may_have_any_name(tmp_path):
    places = [even_film(tmp_path / "a.mp4", 2).rename(tmp_path / name)
              for name in ("cam:1.mp4", "ü 坑.mp4", "%03d.mp4")]
    failed: dict[str, str] = {}
    assert len(list(looks(find_footage([tmp_path], failed), 1.0, failed))) == 2 * len(places) and not failed


def test_a_film_with_no_good_frame_is_named(tmp_path):
    path = even_film(tmp_path / "a.mkv", 10, keys=2)
    content = path.read_bytes()
    start = content.index(b"\x1f\x43\xb6\x75") + 100  # inside the first cluster
    path.write_bytes(content[:start] + bytes(len(content) - start))
    failed: dict[str, str] = {}
    shots = list(looks(find_footage([path], failed), 1.0, failed))
    assert not shots and list(failed) == [str(path)]


def test_without_pyav_videos_end_with_what_to_install_and_pictures_are_read(tmp_path, monkeypatch):
    film = even_film(tmp_path / "a.mp4", 2)
    assert cv2.imwrite(str(tmp_path / "a.png"), scene(1))
    monkeypatch.setitem(sys.modules, "av", None)
    assert len(list(looks(find_footage([tmp_path / "a.png"], {}), 1.0, {}))) == 1
    with pytest.raises(MineHatError, match="pip install av"):
        find_footage([film], {})


@pytest.mark.parametrize(("hours", "wanted", "most"), [(0.1, 200, 361), (1, 200, 2001), (10, 200, 2001),
                                                       (10, 24, 1001), (2000, 200, 2001), (10, 5000, 36001)])
def test_looks_are_spaced_by_what_there_is_and_what_is_wanted(hours, wanted, most):
    found = [Footage(Path("a.mp4"), True, 3600 * hours / 2), Footage(Path("b.mp4"), True, 3600 * hours / 2)]
    every = spacing(found, wanted)
    assert every >= 1 and 0.9 * most <= 3600 * hours / every + 1 <= most


def test_an_earlier_pick_inside_the_footage_is_not_footage(tmp_path):
    (tmp_path / "in" / "pick").mkdir(parents=True)
    for place in (tmp_path / "in", tmp_path / "in" / "pick"):
        assert cv2.imwrite(str(place / "a.png"), scene(1))
    assert len(find_footage([tmp_path / "in"], {})) == 2
    found = find_footage([tmp_path / "in"], {}, but=tmp_path / "in" / "pick")
    assert [one.path for one in found] == [tmp_path / "in" / "a.png"]
