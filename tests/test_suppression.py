"""Does suppression agree with a slow, obvious version, ties, oddities and all?"""

from __future__ import annotations

import numpy as np
import pytest
from allocations import most_of_a_line
from crowds import crowd, naive
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat import Detections, suppress
from minehat.detections import MOST, no_detections, overlaps
from numpy.testing import assert_allclose, assert_array_equal

# Few different values, so that ties of score, of IoU and of whole boxes are common.
EDGES = st.sampled_from([0.0, 10.0, 20.0, 30.0, 40.0, 55.5])
ODD = st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30])
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.25, 0.5, 0.9, np.nan])
BOX = st.lists(st.one_of(EDGES, EDGES, EDGES, EDGES, EDGES, ODD), min_size=4, max_size=4)


def slow(boxes, scores, conf, iou, most):
    """Row numbers and labels that the definition keeps, one box at a time."""
    candidates = []
    for row in range(len(boxes)):
        label = max(range(scores.shape[1]), key=lambda at: (scores[row, at], -at))
        if np.isfinite(scores[row]).all() and np.isfinite(boxes[row]).all() and scores[row, label] >= conf:
            candidates.append((-scores[row, label], row, label))
    kept = []
    for _, row, label in sorted(candidates):
        if all(other != label or slow_iou(boxes[better], boxes[row]) <= iou for better, other in kept):
            kept.append((row, label))
    return kept[:most]


def slow_iou(a, b):
    a, b = [float(side) for side in a], [float(side) for side in b]
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [max(0.0, one[2] - one[0]) * max(0.0, one[3] - one[1]) for one in (a, b)]
    union = areas[0] + areas[1] - shared
    return shared / union if union > 0 else 0.0


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 14).flatmap(lambda n: st.tuples(
    st.lists(BOX, min_size=n, max_size=n), st.lists(st.tuples(SCORES, SCORES, SCORES), min_size=n, max_size=n))),
    st.sampled_from([0.0, 0.1, 0.25, 0.3]), st.sampled_from([0.0, 1 / 3, 0.5, 1.0]), st.integers(1, 5))
def test_it_keeps_what_the_definition_keeps(case, conf, iou, most):
    boxes = np.array(case[0], np.float32).reshape(-1, 4)
    scores = np.array(case[1], np.float32).reshape(-1, 3)
    found = suppress(boxes, scores, conf, iou, most)
    wanted = slow(boxes, scores, np.float32(conf), iou, most)
    assert_array_equal(found.boxes, boxes[[row for row, _ in wanted]])
    assert_array_equal(found.labels, [label for _, label in wanted])
    assert_array_equal(found.scores, [scores[row, label] for row, label in wanted])
    assert (found.boxes.dtype, found.scores.dtype, found.labels.dtype) == (np.float32, np.float32, np.int64)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 120))
def test_it_agrees_on_crowds(seed, count):
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 40, (count, 2))], 1).astype(np.float32)
    scores = random.uniform(0, 1, (count, 2)).astype(np.float32)
    found, wanted = suppress(boxes, scores, 0.3, 0.5), slow(boxes, scores, 0.3, 0.5, MOST)
    assert_array_equal(found.boxes, boxes[[row for row, _ in wanted]])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(120, 700), st.integers(1, 200), st.sampled_from([0.3, 0.5, 0.75]))
def test_it_agrees_on_crowds_that_are_settled_in_several_goes(seed, count, objects, iou):
    boxes, scores = crowd(count, objects, boxes=1500, seed=seed)
    found, wanted = suppress(boxes, scores, 0.25, iou), slow(boxes, scores, 0.25, iou, MOST)
    assert_array_equal(found.boxes, boxes[[row for row, _ in wanted]])
    assert_array_equal(found.labels, [label for _, label in wanted])
    for column, other in zip((found.boxes, found.scores, found.labels), naive(boxes, scores, 0.25, iou), strict=True):
        assert_array_equal(column, other)


@pytest.mark.parametrize(("candidates", "arrays"), [(0, 1), (20, 1), (300, 3)])
def test_no_array_of_64_kb_is_made_on_the_way(candidates, arrays):
    """A line that broadcasts makes three at once: what comes out, and numpy's own copies of what goes in."""
    boxes, scores = crowd(candidates, max(candidates, 1))
    suppress(boxes, scores, 0.25, 0.5)
    assert most_of_a_line(lambda: suppress(boxes, scores, 0.25, 0.5)) < arrays * (64 << 10)


def test_the_better_of_two_equal_scores_is_the_lower_row():
    boxes = np.array([[0, 0, 9, 10], [0, 0, 10, 10]], np.float32)
    found = suppress(boxes, np.array([[0.5, 0], [0.5, 0]], np.float32), 0.25, 0.5)
    assert_array_equal(found.boxes, boxes[:1])


def test_a_tie_between_classes_goes_to_the_lower_class():
    found = suppress(np.array([[0, 0, 10, 10]], np.float32), np.array([[0.5, 0.5]], np.float32), 0.25, 0.5)
    assert_array_equal(found.labels, [0])


def test_boxes_of_different_classes_do_not_suppress_each_other():
    boxes = np.array([[0, 0, 10, 10]] * 2, np.float32)
    assert len(suppress(boxes, np.array([[0.9, 0], [0, 0.8]], np.float32), 0.25, 0.0)) == 2


def test_at_most_300_and_those_are_the_best():
    boxes = np.arange(400, dtype=np.float32)[:, None] * 20 + np.array([0, 0, 10, 10], np.float32)
    scores = np.linspace(0.3, 0.9, 400, dtype=np.float32)[:, None]
    found = suppress(boxes, scores, 0.25, 0.5)
    assert_array_equal(found.scores, scores[::-1, 0][:300])


@pytest.mark.parametrize("classes", [1, 2, 80])
def test_nothing_gives_nothing(classes):
    found = suppress(np.zeros((0, 4), np.float32), np.zeros((0, classes), np.float32), 0.25, 0.5)
    assert len(found) == 0 and found.boxes.shape == (0, 4)


def test_detections_can_be_chosen_by_mask_index_and_slice():
    found = Detections(np.arange(12, dtype=np.float32).reshape(3, 4), np.array([0.9, 0.5, 0.7], np.float32),
                       np.array([0, 1, 0]))
    assert_allclose(found[found.scores > 0.6].scores, [0.9, 0.7])
    assert_allclose(found[[2, 0]].scores, [0.7, 0.9])
    assert_allclose(found[1].scores, [0.5])
    assert_allclose(found[:2].scores, [0.9, 0.5])
    assert len(found[np.zeros(3, bool)]) == 0 == len(no_detections())


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        Detections(np.zeros((2, 4)), np.zeros(1), np.zeros(2))


def test_clipping_keeps_boxes_inside_the_frame():
    found = Detections(np.array([[-5, -5, 700, 20], [650, 490, 700, 500]], np.float32), np.ones(2), np.zeros(2))
    assert_array_equal(found.clipped(480, 640).boxes, [[0, 0, 640, 20], [640, 480, 640, 480]])


def test_overlap_of_a_box_with_itself_is_one_and_with_nothing_zero():
    box = np.array([0, 0, 10, 10], np.float32)
    assert_allclose(overlaps(box, np.array([[0, 0, 10, 10], [10, 0, 20, 10], [5, 0, 15, 10], [3, 3, 3, 3]])),
                    [1, 0, 1 / 3, 0])
