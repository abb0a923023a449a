"""Training views: do boxes follow the pixels, does each effect do what it is named for, and is nothing else changed?"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import show_augmentations
from minehat import scenes
from minehat.doors import run_door
from minehat.labels import read_split
from minehat.pictures import read_picture
from minenet.data.augment import FULL, PAD, Augmentation, as_filmed, augmented, infra_red, mirrored
from minenet.data.in_mine import in_mine
from minenet.data.mine import EFFECTS, LONGEST_BLUR, seen_in_mine
from minenet.data.rendered import VIEWS, rendered_source
from minenet.data.sources import Sample
from numpy.testing import assert_allclose, assert_array_equal

EACH = pytest.mark.parametrize("effect", EFFECTS.values(), ids=EFFECTS)
GEOMETRY = Augmentation(mine=0.0, infra_red=0.0)


def flat(value, height=96, width=128):
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture(scope="module")
def gallery():
    return scenes.picture(7, 320, 240).frame


def square_sample(seed, size=96):
    """A bright or dark square on grey."""
    rng = np.random.default_rng(seed)
    picture, side = flat(110, size, size), int(rng.integers(20, 40))
    x, y = rng.integers(0, size - side, 2)
    picture[y:y + side, x:x + side] = rng.choice([20, 240])
    return Sample(picture, np.array([[x, y, x + side, y + side]], np.float32), np.array([0]), f"square {seed}")


def drawn(effect, picture, strength, seeds=8):
    return np.stack([effect(picture, np.random.default_rng(seed), strength) for seed in range(seeds)]).astype(float)


def steepness(pictures):
    """Mean difference of neighbours, of each picture."""
    return sum(np.abs(np.diff(pictures, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2))


def checkered(side):
    """Dark and bright squares of so many pixels."""
    return np.repeat(np.where((np.indices((96, 128)) // side).sum(axis=0)[..., None] % 2 == 1, 180, 40), 3,
                     axis=2).astype(np.uint8)


def test_augmented_boxes_follow_the_pixels():
    for seed in range(20):
        sample, *others = (square_sample(s) for s in range(4))
        view = augmented(sample, others if seed % 2 else [], 96, np.random.default_rng(seed), GEOMETRY)
        assert view.picture.shape == (96, 96, 3)
        for x0, y0, x1, y1 in view.boxes:
            inside = view.picture[int(y0) + 2:int(y1) - 1, int(x0) + 2:int(x1) - 1].astype(int)
            assert inside.size == 0 or np.ptp(inside.mean(axis=2)) <= 8, "a box must hold one flat square"


def test_effects_of_a_mine_leave_boxes_where_they_are():
    samples = [square_sample(seed) for seed in range(4)]
    for others in ([], samples[1:]):
        clear, seen = (augmented(samples[0], others, 96, np.random.default_rng(5), how)
                       for how in (replace(FULL, mine=0.0, mirror=0.0), replace(FULL, mine=1.0, mirror=0.0)))
        assert len(clear.boxes) and not np.array_equal(clear.picture, seen.picture)
        assert_array_equal(clear.boxes, seen.boxes)
        assert_array_equal(clear.labels, seen.labels)


def test_mirroring_twice_changes_nothing(gallery):
    sample = Sample(gallery, np.array([[10, 20, 30, 50]], np.float32), np.array([1]), "gallery")
    once = mirrored(sample)
    assert_array_equal(once.boxes, [[290, 20, 310, 50]])
    again = mirrored(once)
    assert_array_equal(again.picture, sample.picture)
    assert_array_equal(again.boxes, sample.boxes)
    assert again.name == "gallery"


def test_a_view_depends_on_its_generator_alone(gallery):
    samples = [Sample(gallery, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))] * 4
    how = replace(FULL, mine=1.0)
    once, again, other = (augmented(samples[0], samples[1:], 96, np.random.default_rng(s), how) for s in (3, 3, 4))
    assert_array_equal(once.picture, again.picture)
    assert not np.array_equal(once.picture, other.picture)


def test_around_a_single_view_the_letterbox_stays_grey():
    view = augmented(Sample(flat(250), np.zeros((0, 4), np.float32), np.zeros(0, np.int64)), [], 96,
                     np.random.default_rng(0), replace(FULL, zoom=(0.6, 0.6), mine=1.0))
    grey = (view.picture == PAD).all(axis=2)
    assert grey.mean() > 0.6 and not grey.all()


def test_a_plain_view_holds_the_whole_picture_at_one_scale():
    for seed in range(5):
        sample = square_sample(seed)
        view = augmented(sample, [], 192, np.random.default_rng(seed), Augmentation.plain())
        sides = sample.boxes[:, 2:] - sample.boxes[:, :2]
        assert_allclose(view.boxes[:, 2:] - view.boxes[:, :2], 2 * sides, rtol=1e-5)


def test_without_any_change_asked_for_there_is_hardly_any(gallery):
    none = Augmentation(mine=0.0, infra_red=0.0, hue=0.0, saturation=(1.0, 1.0), brightness=(1.0, 1.0),
                        gamma=(0.0, 0.0))
    same = as_filmed(gallery, np.random.default_rng(0), none)
    assert np.abs(same.astype(int) - gallery).max() <= 6  # the way to hue and back is rounded


def test_augmentation_survives_json():
    kept = json.loads(json.dumps(asdict(FULL)))
    again = Augmentation(**{name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()})
    assert again == FULL


@EACH
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (90, 131)])
def test_effects_keep_the_shape_repeat_themselves_and_never_write_to_what_they_get(effect, shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    before = picture.copy()
    for seed in range(4):
        once, again = (effect(picture, np.random.default_rng(seed), 1.0) for _ in range(2))
        assert once.shape == picture.shape and once.dtype == np.uint8
        assert_array_equal(once, again)
        assert_array_equal(picture, before)


@EACH
def test_an_effect_of_no_strength_changes_nothing_and_a_strong_one_does(effect, gallery):
    for picture in (gallery, np.ascontiguousarray(gallery[:90, :130]), infra_red(gallery)):
        assert_array_equal(effect(picture, np.random.default_rng(1), 0.0), picture)
        assert np.abs(drawn(effect, picture, 1.0) - picture).mean() > 1


def texture(picture):
    """What is finer than its surroundings, as strong everywhere; float [h, w]."""
    grey = cv2.GaussianBlur(picture.astype(float).mean(axis=2), (0, 0), 1.5)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 6)
    return fine / (np.sqrt(cv2.GaussianBlur(fine**2, (0, 0), 6)) + 0.3)


def pixels_moved(picture, seen):
    """A texture that has moved is what it was and, for each pixel, once its slope."""
    before = texture(picture)
    parts = np.stack([*np.gradient(before), before], axis=-1).reshape(-1, 3)
    *moved, same = np.linalg.lstsq(parts, texture(seen).ravel(), rcond=None)[0]
    return np.hypot(*moved) / same


@EACH
def test_effects_move_nothing(effect, gallery):
    assert pixels_moved(gallery, np.roll(gallery, 1, axis=1)) == pytest.approx(1, abs=0.1)
    for seen in drawn(effect, gallery, 1.0):
        assert pixels_moved(gallery, seen) < 0.1


@EACH
def test_what_is_to_be_seen_stays_to_be_seen(effect, gallery):
    """Even the strongest effect leaves the look of things a few pixels large, brightness and contrast aside."""
    def detail(picture):
        small = cv2.resize(picture, (80, 60), interpolation=cv2.INTER_AREA).mean(axis=2)
        return (small - cv2.GaussianBlur(small, (0, 0), 6)).ravel()

    for seen in drawn(effect, gallery, 1.0):
        assert np.corrcoef(detail(gallery), detail(seen))[0, 1] > 0.75


def test_darkness_darkens_and_leaves_something(gallery):
    for picture in (gallery, flat(200), flat(60)):
        weak, strong = (drawn(EFFECTS["darkness"], picture, s).mean() for s in (0.3, 1.0))
        assert picture.mean() > weak > strong > 10


def test_darkness_pales_colours():
    picture = flat(0) + np.array([40, 80, 200], np.uint8)
    weak, strong = (np.ptp(drawn(EFFECTS["darkness"], picture, s).mean(axis=(0, 1, 2))) for s in (0.3, 1.0))
    assert strong < weak < 160


def test_dust_takes_contrast():
    clear, weak, strong = (steepness(drawn(EFFECTS["dust"], checkered(4), s)) for s in (0.0, 0.4, 1.0))
    assert (clear > weak).all() and (weak > strong).all()


def test_dust_is_thicker_in_some_places():
    for seen in drawn(EFFECTS["dust"], checkered(1), 1.0):
        contrast = cv2.resize(np.abs(np.diff(seen, axis=1)).mean(axis=2), (8, 6), interpolation=cv2.INTER_AREA)
        assert contrast.max() > 1.1 * contrast.min()


def test_glare_never_darkens_adds_up_in_linear_light_and_burns_out():
    dark, bright = (drawn(EFFECTS["glare"], flat(value), 1.0) for value in (20, 180))
    assert (dark >= 20).all() and (bright >= 180).all()
    assert (dark - 20 >= bright - 180 - 0.5).all()
    assert dark.max(axis=(1, 2, 3)).min() == 255


def test_blur_keeps_the_mean_and_the_middle_and_reaches_so_far(gallery):
    weak, strong = (drawn(EFFECTS["blur"], gallery, s) for s in (0.4, 1.0))
    assert_allclose(strong.mean(axis=(1, 2, 3)), gallery.mean(), atol=0.5)
    assert (steepness(strong) < steepness(weak)).all()
    assert (steepness(weak) < steepness(gallery[None].astype(float))).all()
    dot = flat(0, 41, 41)
    dot[20, 20] = 255
    for streak in drawn(EFFECTS["blur"], dot, 1.0)[..., 0]:
        places = np.argwhere(streak) - 20
        spread = np.cov(places.T, aweights=streak[streak > 0], ddof=0)
        assert_allclose(np.average(places, axis=0, weights=streak[streak > 0]), 0, atol=0.2)
        assert_allclose(np.sqrt(12 * np.linalg.eigvalsh(spread)[1]), LONGEST_BLUR, atol=1)


def test_noise_keeps_the_mean_and_is_strongest_where_it_is_dark():
    dark, bright = (drawn(EFFECTS["noise"], flat(value), 1.0) for value in (45, 210))
    assert abs(dark.mean() - 45) < 2 and abs(bright.mean() - 210) < 2
    assert (dark.std(axis=(1, 2, 3)) > bright.std(axis=(1, 2, 3))).all()
    assert drawn(EFFECTS["noise"], flat(100), 0.3).std() < drawn(EFFECTS["noise"], flat(100), 1.0).std()


def test_jpeg_keeps_means_and_halves_colour(gallery):
    assert_allclose(drawn(EFFECTS["jpeg"], gallery, 1.0).mean(axis=(1, 2, 3)), gallery.mean(), atol=2)
    stripes = flat(0)
    stripes[:, ::2], stripes[:, 1::2] = (0, 0, 200), (0, 102, 0)  # equally bright red and green
    red = np.abs(np.diff(drawn(EFFECTS["jpeg"], stripes, 0.3)[..., 2], axis=2)).mean()
    assert red < 40


def test_a_mine_may_do_several_things_and_then_each_is_weaker(gallery):
    none, one, all_of_them = (seen_in_mine(gallery, np.random.default_rng(2), most, (s, s))
                              for most, s in ((1, 0.0), (1, 1.0), (6, 1.0)))
    assert_array_equal(none, gallery)
    assert one.shape == all_of_them.shape and not np.array_equal(one, all_of_them)


def test_infra_red_is_grey_and_as_bright_as_the_brightest_colour(gallery):
    grey = infra_red(gallery)
    assert_array_equal(grey, np.repeat(gallery.max(axis=2, keepdims=True), 3, axis=2))


def test_rendered_scenes_are_a_source_of_their_own_for_each_seed():
    """Views of a gallery show other people; every other gallery is of a wide camera."""
    once, again, other = (rendered_source(5, 96, seed, share=0.5) for seed in (0, 0, 1))
    assert once.share == 0.5 and len({one.name for one in [*once.samples, *other.samples]}) == 10
    for number, (a, b) in enumerate(zip(once.samples, again.samples, strict=True)):
        assert_array_equal(a.picture, b.picture)
        high = 72 if number < VIEWS else 54
        assert a.picture.shape == (high, 96, 3) and len(a.boxes) == len(a.labels)
        assert (a.boxes >= 0).all() and (a.boxes <= [96, high, 96, high]).all()
    assert not np.array_equal(once.samples[0].picture, other.samples[0].picture)
    assert not np.array_equal(once.samples[0].boxes, once.samples[1].boxes)


def test_the_contact_sheet_is_drawn(tmp_path):
    scenes.write_pictures(tmp_path / "set", 3, split="train", width=160, height=128)
    asked = ["--data", str(tmp_path / "set"), "--size", "96"]
    assert run_door(show_augmentations.main, [*asked, "--out", str(tmp_path / "all.jpg")]) == 0
    assert run_door(show_augmentations.main, [*asked, "--out", str(tmp_path / "views.png"), "--mode", "training"]) == 0
    everything, views = (read_picture(tmp_path / name) for name in ("all.jpg", "views.png"))
    assert everything.shape[1] == views.shape[1] and everything.std() > 20 and views.std() > 20
    assert run_door(show_augmentations.main, ["--data", str(tmp_path / "absent")]) == 2
    (tmp_path / "none/ImageSets/Main").mkdir(parents=True)
    (tmp_path / "none/ImageSets/Main/train.txt").write_text("")
    assert run_door(show_augmentations.main, ["--data", str(tmp_path / "none")]) == 2


def test_labelled_pictures_in_a_mine_are_the_same_each_time_and_keep_their_boxes(tmp_path):
    scenes.write_pictures(tmp_path, 3, seed=4, split="val", width=160, height=128)
    plain = read_split(tmp_path, "val", ("helmet", "head"))
    for seen, again, untouched, picture in zip(in_mine(plain, 0.7), in_mine(plain, 0.7), in_mine(plain, 0.0), plain,
                                               strict=True):
        assert_array_equal(seen.read(), again.read())
        assert_array_equal(untouched.read(), picture.read())
        assert not np.array_equal(seen.read(), picture.read()) and seen.boxes is picture.boxes
