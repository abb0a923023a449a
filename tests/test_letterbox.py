"""Does the letterbox put frames where it says, and bring boxes back?"""

from __future__ import annotations

import math
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat import MineHatError, ModelCard, Placement, as_input, letterbox, place
from minehat.letterbox import Planes
from numpy.testing import assert_allclose, assert_array_equal

SIDES = st.integers(1, 4000)
SQUARES = st.integers(1, 20).map(lambda steps: 32 * steps)


@given(SIDES, SIDES, SQUARES, SQUARES, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_survives_the_letterbox_and_back(high, wide, height, width, share):
    placement = place(high, wide, height, width)
    box = np.array([share]) * [wide, high, wide, high]
    back = placement.to_frame(placement.to_square(box))
    # float32 between: a pixel of the square is up to max(side)/1 pixels of the frame.
    assert_allclose(back, box, atol=1e-6 * (height + width) / min(placement.scale_x, placement.scale_y))


@given(SIDES, SIDES, SQUARES, SQUARES)
def test_the_frame_lies_inside_the_square_and_in_its_middle(high, wide, height, width):
    found = place(high, wide, height, width)
    right, below = width - found.left - found.new_width, height - found.top - found.new_height
    assert found.left >= 0 <= found.top
    assert 0 <= right - found.left <= 1 and 0 <= below - found.top <= 1
    assert found.new_width == width or found.new_height == height
    assert_allclose(found.to_square(np.array([[0, 0, wide, high]])),
                    [[found.left, found.top, found.left + found.new_width, found.top + found.new_height]])


@given(SIDES, SIDES, SQUARES, SQUARES)
def test_the_frame_keeps_its_shape_to_half_a_pixel(high, wide, height, width):
    found, scale = place(high, wide, height, width), min(width / wide, height / high)
    for new, old in ((found.new_width, wide), (found.new_height, high)):
        assert abs(new - max(1, old * scale)) <= 0.5 + 1e-9


@pytest.mark.parametrize(("frame", "square", "wanted"), [
    ((1080, 1920), (416, 416), (416, 234, 0, 91)),
    ((720, 1280), (256, 416), (416, 234, 0, 11)),
    ((1, 1), (416, 416), (416, 416, 0, 0)),
    ((1, 12000), (416, 416), (416, 1, 0, 207)),
    ((5, 416), (416, 416), (416, 5, 0, 205)),
    ((333, 500), (416, 416), (416, 277, 0, 69)),  # 277.056 rounds down
    ((3, 832), (416, 416), (416, 2, 0, 207)),  # 1.5 rounds up
    ((5, 832), (416, 416), (416, 3, 0, 206)),  # 2.5 rounds up, not to even
])
def test_known_placements(frame, square, wanted):
    assert place(*frame, *square) == Placement(frame[1], frame[0], *wanted)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([(64, 64), (32, 96)]), st.integers(0, 2**31))
def test_pixels_agree_with_slow_bilinear_arithmetic(high, wide, size, seed):
    frame = np.random.default_rng(seed).integers(0, 256, (high, wide, 3), np.uint8)
    square, placement = letterbox(frame, *size)
    wanted = np.full((*size, 3), 114.0)
    for row in range(placement.new_height):
        for column in range(placement.new_width):
            wanted[placement.top + row, placement.left + column] = _bilinear(
                frame, (column + 0.5) / placement.scale_x - 0.5, (row + 0.5) / placement.scale_y - 0.5)
    assert np.abs(square - wanted).max() <= 1.0


def _bilinear(frame: np.ndarray, x: float, y: float) -> np.ndarray:
    x, y = (min(max(at, 0.0), side - 1.0) for at, side in ((x, frame.shape[1]), (y, frame.shape[0])))
    left, top = math.floor(x), math.floor(y)
    right, below = min(left + 1, frame.shape[1] - 1), min(top + 1, frame.shape[0] - 1)
    upper = frame[top, left] * (1 - (x - left)) + frame[top, right] * (x - left)
    lower = frame[below, left] * (1 - (x - left)) + frame[below, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


@pytest.mark.parametrize("frame_size", [(1, 1), (1, 12000), (12000, 1), (3, 5000), (480, 640), (97, 31)])
def test_memory_that_is_reused_is_written_over_whole(frame_size):
    frame = np.random.default_rng(0).integers(0, 256, (*frame_size, 3), np.uint8)
    used = np.random.default_rng(1).integers(0, 256, (96, 160, 3), np.uint8)
    fresh, placement = letterbox(frame, 96, 160)
    again, _ = letterbox(frame, 96, 160, out=used)
    assert again is used
    assert_array_equal(again, fresh)
    inside = fresh[placement.top:placement.top + placement.new_height,
                   placement.left:placement.left + placement.new_width]
    assert_array_equal(inside, cv2.resize(frame, inside.shape[1::-1], interpolation=cv2.INTER_LINEAR))


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_input_is_pixel_less_mean_times_scale_by_plane(order):
    square = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    card = ModelCard("x", ("helmet",), 32, 64, channel_order=order, mean=(1.5, 20.0, 0.0), scale=(0.1, 1.0, 3.0))
    planes = as_input(square, card)
    assert planes.shape == (3, 32, 64) and planes.dtype == np.float32 and planes.flags.c_contiguous
    colours = square[..., ::-1] if order == "RGB" else square
    assert_allclose(planes.transpose(1, 2, 0), (colours - np.array(card.mean)) * card.scale, rtol=1e-5, atol=1e-5)


def test_usual_input_is_exactly_a_255th():
    square = np.arange(256, dtype=np.uint8).repeat(12).reshape(32, 32, 3)
    out = np.empty((3, 32, 32), np.float32)
    assert as_input(square, ModelCard("x", ("helmet",), 32, 32), out) is out
    assert_array_equal(out, square[..., ::-1].transpose(2, 0, 1) * np.float32(1 / 255))


@pytest.mark.parametrize(("frame", "words"), [
    (np.zeros((40, 60), np.uint8), r"uint8 \[40, 60\].*COLOR_GRAY2BGR"),
    (np.zeros((40, 60, 1), np.uint8), r"\[40, 60, 1\].*COLOR_GRAY2BGR"),
    (np.zeros((40, 60, 4), np.uint8), r"\[40, 60, 4\].*COLOR_BGRA2BGR"),
    (np.zeros((40, 60, 3), np.float32), r"float32 \[40, 60, 3\].*astype"),
    (np.zeros((40, 60), np.uint16), r"uint16 \[40, 60\].*astype"),
    (np.zeros((0, 60, 3), np.uint8), "empty"),
    (None, "found NoneType"),
])
def test_what_is_no_bgr_frame_is_refused_and_never_answered_with_the_frame_before(frame, words):
    square, _ = letterbox(np.full((32, 32, 3), 200, np.uint8), 32, 32)
    before = square.copy()
    with pytest.raises(MineHatError, match=words):
        letterbox(frame, 32, 32, out=square)
    assert_array_equal(square, before)


@pytest.mark.parametrize("view", [np.s_[::-1], np.s_[:, ::-1], np.s_[..., ::-1], np.s_[::2, 3:50]])
def test_views_of_frames_are_written_into_the_memory_given(view):
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)[view]
    square = np.zeros((32, 32, 3), np.uint8)
    letterbox(frame, 32, 32, out=square)
    assert_array_equal(square, letterbox(frame.copy(), 32, 32)[0])


FRAMES = st.tuples(st.one_of(st.integers(1, 90), st.sampled_from([1, 32, 64, 96])), st.integers(1, 90))
INPUTS = st.fixed_dictionaries({
    "height": st.sampled_from([32, 96]), "width": st.sampled_from([32, 64]), "pad": st.integers(0, 255),
    "channel_order": st.sampled_from(["RGB", "BGR"]), "input_dtype": st.sampled_from(["float32", "uint8"]),
    "mean": st.sampled_from([(0.0, 0.0, 0.0), (1.5, 0.0, 20.0)]),
    "scale": st.sampled_from([(1 / 255,) * 3, (0.1, 1.0, 3.0)])})


@settings(deadline=None)
@given(INPUTS, st.lists(st.tuples(FRAMES, st.integers(0, 1)), min_size=1, max_size=6), st.integers(0, 2**31))
def test_planes_that_are_reused_hold_what_letterbox_and_input_give_for_each_frame(fields, frames, seed):
    card = ModelCard("x", ("helmet",), **fields)
    planes, wanted = Planes(card, 2), {}
    for sides, row in frames:
        frame = np.random.default_rng(seed).integers(0, 256, (*sides, 3), np.uint8)
        square, placement = letterbox(frame, card.height, card.width, card.pad)
        wanted[row] = as_input(square, card)
        assert planes.put(frame, row) == placement
        for each, image in wanted.items():
            assert planes.batch[each].dtype == image.dtype == card.input_dtype
            assert_array_equal(planes.batch[each], image)


def test_a_frame_that_is_refused_leaves_the_row_as_it_was():
    planes = Planes(ModelCard("x", ("helmet",), 32, 32))
    planes.put(np.full((20, 30, 3), 200, np.uint8))
    before = planes.batch.copy()
    with pytest.raises(MineHatError, match="COLOR_GRAY2BGR"):
        planes.put(np.zeros((32, 32), np.uint8))
    assert_array_equal(planes.batch, before)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_nothing_of_64_kb_is_allocated_for_a_frame(dtype):
    planes = Planes(ModelCard("x", ("helmet",), 416, 416, input_dtype=dtype))
    frames = [np.full(shape, 9, np.uint8) for shape in [(720, 1280, 3), (480, 640, 3)]]
    planes.put(frames[0])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for frame in frames * 2:
            planes.put(frame)
        assert tracemalloc.get_traced_memory()[1] - before < 64 << 10
    finally:
        tracemalloc.stop()
