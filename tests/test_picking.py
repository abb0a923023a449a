"""What is remembered of frames, and which are picked: nothing twice, never too much, every light, hour and crowd."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from bright_onnx import bright_onnx
from films import scene
from minecalib.picking.choice import choose
from minecalib.picking.content import Content, watching
from minecalib.picking.footage import Footage
from minecalib.picking.looks import Different, Look
from minehat.errors import MineHatError
from minehat.likeness import ALIKE, BITS

FILM = Footage(Path("a.mp4"), True, 36000.0)
EMPTY, FEW, MANY, UNSURE = (Content({"helmet": helmets, "head": 0}, doubtful)
                            for helmets, doubtful in ((0, 0), (2, 1), (5, 0), (1, 2)))


def kept(frames: list[np.ndarray]) -> int:
    different = Different(ALIKE, 64, partial(choose, seed=0))
    for frame in frames:
        different.add(frame, Footage(Path("x.jpg"), False), None)
    return len(different.looks)


def looks_at(times: list[float], seed: int = 0, content: Content | None = None, footage: Footage = FILM,
             like: np.ndarray | None = None) -> list[Look]:
    """Looks with random bits, or with those of `like` but for some twenty of them."""
    rng = np.random.default_rng(seed)
    rows = rng.random((len(times), BITS)) < 0.5 if like is None else like ^ (rng.random((len(times), BITS)) < 0.08)
    return [Look(footage, seconds, 100.0, bits, content) for seconds, bits in zip(times, rows, strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_the_same_picture_coded_again_shrunk_or_a_little_brighter_is_dropped(seed):
    frame = scene(seed, height=240, width=320)
    coded = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    small = cv2.resize(frame, (160, 120), interpolation=cv2.INTER_AREA)
    brighter = np.clip(frame.astype(int) + 10, 0, 255).astype(np.uint8)
    noisy = np.clip(frame + np.random.default_rng(seed).normal(0, 6, frame.shape), 0, 255).astype(np.uint8)
    assert kept([frame, coded, small, brighter, noisy]) == 1
    assert kept([frame, scene(seed + 100, height=240, width=320)]) == 2
    assert kept([frame, (frame * 0.3).astype(np.uint8)]) == 2, "the same place in the dark is another picture"


def test_black_frames_are_all_one_whatever_their_noise():
    rng = np.random.default_rng(0)
    assert kept([rng.integers(0, 6, (120, 160, 3), np.uint8) for _ in range(10)]) == 1


def test_what_is_held_does_not_grow_with_the_footage_and_stays_spread_over_it():
    different = Different(ALIKE, 128, partial(choose, seed=0))
    arrays = {name: value.nbytes for name, value in vars(different).items() if isinstance(value, np.ndarray)}
    for look in looks_at([float(second) for second in range(3000)]):
        assert not different.has_alike(look)
        different.keep(look)
        assert len(different.looks) <= 128 and different.has_alike(look)
    assert different.kept == 3000
    assert arrays == {name: value.nbytes for name, value in vars(different).items() if isinstance(value, np.ndarray)}
    times = [look.seconds for look in different.looks]
    assert times == sorted(times) and all(Counter(int(time // 300) for time in times)[tenth] for tenth in range(10))


def test_thinning_keeps_what_is_rare():
    different = Different(ALIKE, 128, partial(choose, seed=0))
    crowds = set(range(100, 3000, 290))
    for second, look in enumerate(looks_at([float(second) for second in range(3000)])):
        different.keep(replace(look, content=MANY if second in crowds else EMPTY))
    assert sum(look.content is MANY for look in different.looks) == len(crowds)


def test_a_choice_is_part_of_what_was_seen_in_its_order_and_follows_from_the_seed():
    looks = looks_at([float(second) for second in range(500)])
    once, again, other = (choose(looks, 40, seed) for seed in (1, 1, 2))
    places = [looks.index(look) for look in once]
    assert len(once) == 40 and places == sorted(set(places))
    assert once == again and once != other
    assert choose(looks, 500, 3) == looks


def test_one_busy_hour_of_ten_does_not_take_the_place_of_the_others():
    quiet = [float(second) for second in range(0, 36000, 300) if not 10800 <= second < 14400]
    looks = sorted(looks_at(quiet + list(np.arange(10800, 14400, 2.0))), key=lambda look: look.seconds)
    hours = Counter(int(look.seconds // 3600) for look in choose(looks, 60, 0))
    assert len(looks) > 1900 and min(hours[hour] for hour in range(10)) >= 4 and max(hours.values()) <= 10


@pytest.mark.parametrize(("rare", "usual"), [(MANY, EMPTY), (UNSURE, EMPTY), (EMPTY, MANY), (FEW, MANY)])
def test_rare_content_is_picked_first(rare, usual):
    looks = looks_at([float(second) for second in range(1000)], 0, usual)
    looks += looks_at([1000.0, 1001.0, 1002.0], 1, rare)
    assert sum(look.content is rare for look in choose(looks, 20, 0)) == 3


def test_content_and_light_are_even_over_all_sources_together():
    """Forty short clips of one content each: a source alone has nothing to spread."""
    kinds = [EMPTY] * 25 + [FEW] * 10 + [MANY] * 3 + [UNSURE] * 2
    looks = [look for number, kind in enumerate(kinds)
             for look in looks_at([1.0, 2.0, 3.0], number, kind, Footage(Path(f"{number}.mp4"), True, 4.0))]
    mixed = [look for number in range(40) for look in looks_at([5.0, 6.0], 100 + number, (EMPTY, MANY)[number % 2],
                                                                 Footage(Path(f"{number}.mp4"), True, 8.0))]
    counted = Counter(look.content.kind for look in choose(looks + mixed, 40, 0))
    assert counted["many"] >= 12 and counted["unsure"] == 2 and counted["few"] >= 8


def test_a_camera_that_was_turned_for_a_short_time_is_picked_in_both_views():
    first, second = np.random.default_rng(9).random((2, BITS)) < 0.5
    looks = looks_at([float(time) for time in range(600)], 0, like=first)
    looks[300:306] = looks_at([float(time) for time in range(300, 306)], 1, like=second)
    assert sum(300 <= look.seconds < 306 for look in choose(looks, 12, 0)) >= 2


def test_every_source_gets_its_share_and_what_one_lacks_the_others_get():
    sizes = {"a.mp4": 300, "b.mp4": 3, "c.mp4": 40}
    looks = [look for name, size in sizes.items()
             for look in looks_at([float(time) for time in range(size)], size, footage=Footage(Path(name), True))]
    assert Counter(str(look.footage.path) for look in choose(looks, 15, 0)) == {"a.mp4": 6, "b.mp4": 3, "c.mp4": 6}


def test_content_is_what_the_model_finds_and_what_it_doubts(tmp_path):
    """The model's nine cells of the square; a quarter of full red or blue is its threshold, half of that a doubt."""
    frame = np.zeros((96, 96, 3), np.uint8)
    with watching(bright_onnx(tmp_path / "bright.onnx"), None) as content_of:
        assert content_of(frame) == Content({"helmet": 0, "head": 0}, 0)
        frame[:32, :32, 2] = 200
        assert content_of(frame) == Content({"helmet": 1, "head": 0}, 0) and content_of(frame).kind == "few"
        frame[32:64, :64, 0] = 50
        assert content_of(frame) == Content({"helmet": 1, "head": 0}, 2) and content_of(frame).kind == "unsure"
        frame[64:, :, 0] = 255
        assert content_of(frame) == Content({"helmet": 1, "head": 3}, 2) and content_of(frame).kind == "many"
    with watching(None, None) as content_of:
        assert content_of(frame) is None


def test_only_frames_that_differ_are_shown_to_the_model():
    shown: list[np.ndarray] = []
    different = Different(ALIKE, 64, partial(choose, seed=0))
    for frame in [scene(1), scene(1), scene(2), scene(1)]:
        different.add(frame, FILM, 0.0, lambda one: shown.append(one) or MANY)
    assert len(shown) == 2 and [look.content for look in different.looks] == [MANY, MANY]


def test_a_model_that_is_none_ends_with_what_to_mend(tmp_path):
    (tmp_path / "no.onnx").write_text("no model")
    for model in (tmp_path / "absent.onnx", tmp_path / "no.onnx", bright_onnx(tmp_path / "bare.onnx", card=None)):
        with pytest.raises(MineHatError, match=model.name), watching(model, None):
            pass
