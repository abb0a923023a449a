"""Scores: COCO's average precision, recall at a threshold, and what ignored truths do."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from minehat.detections import Detections, no_detections, overlaps
from minehat.labels import Labelled
from minehat.scoring import score

CLASSES = ("helmet", "head")


def labelled(boxes=(), labels=(), ignored=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    ignored = np.zeros(len(boxes), bool) if ignored is None else np.array(ignored, bool)
    return Labelled(Path("picture.jpg"), boxes, np.array(labels, np.int64), ignored, None)


def seen(boxes=(), scores=(), labels=()):
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32),
                      np.array(labels, np.int64))


def random_picture(rng):
    """Truths, some ignored, and detections: jittered copies of most of them and boxes of nothing."""
    count = rng.integers(0, 7)
    corners = rng.uniform(0, 200, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(10, 80, (count, 2))])
    labels = rng.integers(0, 2, count)
    copies = rng.integers(0, count, 2 * count) if count else np.zeros(0, int)
    stray = rng.uniform(0, 200, (3, 2))
    found = np.vstack([boxes[copies] + rng.normal(0, 5, (len(copies), 4)), np.hstack([stray, stray + 40])])
    copied = np.where(rng.random(len(copies)) < 0.9, labels[copies], 1 - labels[copies])
    found_labels = np.concatenate([copied, rng.integers(0, 2, 3)])
    truth = labelled(boxes, labels, rng.random(count) < 0.2)
    return truth, seen(found, rng.permutation(len(found)) / 50 + rng.uniform(0, 0.01), found_labels)


def plain_average_precision(found, truths, label, iou):
    """COCO's definition in slow, obvious steps; None where there is nothing to find."""
    hits, wanted = [], 0
    for picture, truth in zip(found, truths, strict=True):
        rows = [row for row in range(len(truth.boxes)) if truth.labels[row] == label]
        wanted += sum(not truth.ignored[row] for row in rows)
        taken = set()
        for index in sorted(np.flatnonzero(picture.labels == label), key=lambda i: -picture.scores[i]):
            shares = {row: overlaps(picture.boxes[index], truth.boxes[row:row + 1])[0] for row in rows}
            near = [row for row in rows if row not in taken and shares[row] >= iou]
            real = [row for row in near if not truth.ignored[row]]
            if real:
                taken.add(max(real, key=shares.get))
                hits.append((picture.scores[index], True))
            elif near:
                taken.add(max(near, key=shares.get))
            else:
                hits.append((picture.scores[index], False))
    if not wanted:
        return None
    hits.sort(key=lambda hit: -hit[0])
    right = np.cumsum([hit for _, hit in hits])
    precision, recall = right / np.arange(1, len(hits) + 1), right / wanted
    return float(np.mean([max(precision[recall >= level - 1e-12], default=0.0)
                          for level in np.linspace(0, 1, 101)]))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_agrees_with_a_slow_obvious_one(seed):
    rng = np.random.default_rng(seed)
    truths, found = zip(*(random_picture(rng) for _ in range(12)), strict=True)
    ours = score(found, truths, CLASSES, conf=0.1)
    for label, name in enumerate(CLASSES):
        assert ours.ap50[name] == pytest.approx(plain_average_precision(found, truths, label, 0.5), abs=1e-6)
    every = [plain_average_precision(found, truths, label, iou)
             for label in (0, 1) for iou in np.linspace(0.5, 0.95, 10)]
    assert ours.map == pytest.approx(np.mean(every), abs=1e-6)
    assert ours.map50 == pytest.approx(np.mean(list(ours.ap50.values())), abs=1e-9)


def test_finding_everything_is_one_and_finding_nothing_is_zero():
    truth = labelled([[0, 0, 20, 20], [50, 50, 90, 80]], [0, 1])
    perfect = score([seen(truth.boxes, [0.9, 0.8], [0, 1])], [truth], CLASSES, conf=0.25)
    assert (perfect.map50, perfect.map) == (pytest.approx(1), pytest.approx(1))
    assert perfect.recall == {"helmet": 1.0, "head": 1.0}
    blind = score([no_detections()], [truth], CLASSES, conf=0.25)
    assert (blind.map50, blind.map, blind.recall["head"]) == (0, 0, 0)


def test_a_class_without_truths_has_no_figure_and_does_not_spoil_the_mean():
    truth = labelled([[0, 0, 20, 20]], [0])
    result = score([seen([[0, 0, 20, 20], [5, 5, 9, 9]], [0.9, 0.99], [0, 1])], [truth], CLASSES, conf=0.25)
    assert result.ap50["head"] is None and result.recall["head"] is None
    assert result.map50 == pytest.approx(1)


@pytest.mark.parametrize("found", [no_detections(), seen([[0, 0, 9, 9]], [0.5], [0])])
def test_pictures_without_any_truth_give_json_without_nan(found):
    result = score([found], [labelled()], CLASSES, conf=0.25)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert json.loads(text) == {"map50": 0.0, "map": 0.0, "ap50": {"helmet": None, "head": None},
                                "recall": {"helmet": None, "head": None}, "images": 1}
    assert score([], [], CLASSES, conf=0.25).images == 0


def test_an_ignored_truth_counts_neither_way_but_excuses_only_the_box_that_hits_it():
    ignored, real = [0, 0, 100, 100], [200, 0, 300, 100]
    truth = labelled([ignored, real], [0, 0], [True, False])
    hit_both = score([seen([ignored, real], [0.9, 0.8], [0, 0])], [truth], CLASSES, conf=0.25)
    assert hit_both.ap50["helmet"] == pytest.approx(1) and hit_both.recall["helmet"] == 1
    only_real = score([seen([real], [0.8], [0])], [truth], CLASSES, conf=0.25)
    assert only_real.ap50["helmet"] == pytest.approx(1) and only_real.recall["helmet"] == 1
    small_inside = score([seen([[10, 10, 30, 30], real], [0.9, 0.8], [0, 0])], [truth], CLASSES, conf=0.25)
    assert small_inside.ap50["helmet"] == pytest.approx(0.5)


def test_recall_counts_from_the_threshold_on_and_each_truth_once():
    truth = labelled([[0, 0, 20, 20], [2, 0, 22, 20], [100, 0, 120, 20]], [1, 1, 1])
    twice = [[0, 0, 20, 20], [0, 0, 20, 20], [0, 0, 20, 20], [100, 0, 120, 20]]
    found = seen(twice, [0.9, 0.8, 0.7, 0.24], [1, 1, 1, 1])
    assert score([found], [truth], CLASSES, conf=0.25).recall["head"] == pytest.approx(2 / 3)
    assert score([found], [truth], CLASSES, conf=0.2).recall["head"] == 1


def test_more_than_a_hundred_boxes_a_picture_count():
    boxes = [[x, y, x + 8, y + 8] for x in range(0, 200, 10) for y in range(0, 100, 10)]
    result = score([seen(boxes, np.linspace(0.9, 0.5, 200), [0] * 200)], [labelled(boxes, [0] * 200)],
                   CLASSES, conf=0.25)
    assert result.ap50["helmet"] == pytest.approx(1)


def test_nothing_is_printed():
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        score([no_detections()], [labelled([[0, 0, 9, 9]], [0])], CLASSES, conf=0.25)
    assert said.getvalue() == ""


def test_pictures_and_findings_must_pair_up():
    with pytest.raises(ValueError, match="found has 0 pictures, truths 1"):
        score([], [labelled()], CLASSES, conf=0.25)
