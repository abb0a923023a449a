"""Scores: COCO's average precision, recall at a threshold, what ignored truths do, and the detail behind them."""

import contextlib
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from minehat.detections import Detections, no_detections, overlaps
from minehat.labels import Labelled
from minehat.scoring import detail, score
from minehat.scoring.thresholds import recall_interval
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES = ("helmet", "head")


def labelled(boxes=(), labels=(), ignored=None, name="picture.jpg", size=(416, 416)):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    ignored = np.zeros(len(boxes), bool) if ignored is None else np.array(ignored, bool)
    return Labelled(Path(name), boxes, np.array(labels, np.int64), ignored, None, size)


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


def random_squares(rng):
    """A 416x416 picture of square boxes, whose areas say as much as their sides; nothing is ignored."""
    sides = rng.uniform(6, 120, 8)
    corners = rng.uniform(0, 416 - sides[:, None], (8, 2))
    boxes = np.hstack([corners, corners + sides[:, None]]).astype(np.float32)
    found = np.repeat(boxes, 2, axis=0) + np.tile(rng.normal(0, 4, (16, 2)), 2)
    labels, scores = rng.integers(0, 2, 8), rng.permutation(16) / 40 + rng.uniform(0, 0.02)
    return labelled(boxes, labels), seen(found, scores, np.where(rng.random(16) < 0.8, np.repeat(labels, 2), 0))


def by_pycocotools(found, truths, areas):
    """[10, 101, 2, ranges] precision, asked of plain COCOeval with COCO's own file formats."""
    def rows(one, image):
        return [{"image_id": image, "category_id": int(label) + 1, "bbox": [*map(float, box[:2]),
                 *map(float, box[2:] - box[:2])], "area": float(np.prod(box[2:] - box[:2])), "iscrowd": 0}
                for box, label in zip(one.boxes, one.labels, strict=True)]
    truth_rows = [row for image, one in enumerate(truths, 1) for row in rows(one, image)]
    found_rows = [{**row, "score": float(points)} for image, one in enumerate(found, 1)
                  for row, points in zip(rows(one, image), one.scores, strict=True)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"info": {}, "images": [{"id": image} for image in range(1, len(truths) + 1)],
                         "categories": [{"id": 1}, {"id": 2}],
                         "annotations": [{**row, "id": number} for number, row in enumerate(truth_rows, 1)]}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found_rows), "bbox")
        evaluation.params.areaRng = areas
        evaluation.params.areaRngLbl = [str(area) for area in areas]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., -1]


@pytest.mark.parametrize("seed", range(3))
def test_detail_agrees_with_plain_pycocotools_by_size_too(seed):
    rng = np.random.default_rng(seed)
    truths, found = zip(*(random_squares(rng) for _ in range(25)), strict=True)
    areas = [[0, 1e10], [0, 16**2], [16**2, 32**2], [32**2, 64**2], [64**2, 1e10]]
    theirs = by_pycocotools(found, truths, areas)
    ours = detail(found, truths, CLASSES, 0.1)
    for label, name in enumerate(CLASSES):
        one = ours.classes[name]
        assert one.ap == pytest.approx(theirs[:, :, label, 0].mean(), abs=1e-9)
        assert one.ap50 == pytest.approx(theirs[0, :, label, 0].mean(), abs=1e-9)
        assert one.ap75 == pytest.approx(theirs[5, :, label, 0].mean(), abs=1e-9)
        assert one.precision == pytest.approx(theirs[0, :, label, 0], abs=1e-4)
        for place, size in enumerate(one.sizes.values(), 1):
            assert size.truths and size.ap == pytest.approx(theirs[:, :, label, place].mean(), abs=1e-9)
            assert size.ap50 == pytest.approx(theirs[0, :, label, place].mean(), abs=1e-9)
        assert sum(size.truths for size in one.sizes.values()) == one.truths
    assert ours.score == score(found, truths, CLASSES, 0.1)


def test_sizes_are_those_in_the_square_whatever_the_camera():
    rng = np.random.default_rng(7)
    truths, found = zip(*(random_squares(rng) for _ in range(5)), strict=True)
    larger = [labelled(truth.boxes * 4, truth.labels, size=(4 * 416, 4 * 416)) for truth in truths]
    seen_larger = [seen(one.boxes * 4, one.scores, one.labels) for one in found]
    assert detail(seen_larger, larger, CLASSES, 0.1).classes == detail(found, truths, CLASSES, 0.1).classes
    in_small_square = detail(found, truths, CLASSES, 0.1, (104, 104)).classes
    assert all(one.sizes[">=64"].truths == 0 for one in in_small_square.values())


def plain_voc_ap50(found, truths, label):
    """The development kit's definition in slow, obvious steps."""
    rows = sorted(((float(points), picture, box) for picture, one in enumerate(found)
                   for box, points, found_label in zip(one.boxes, one.scores, one.labels, strict=True)
                   if found_label == label), key=lambda row: -row[0])
    wanted = sum(int((~truth.ignored[truth.labels == label]).sum()) for truth in truths)
    curve, taken, hits, false = [(0.0, 0.0)], set(), 0, 0
    for _, picture, box in rows:
        shares = {row: overlaps(box, truths[picture].boxes[row:row + 1])[0]
                  for row in np.flatnonzero(truths[picture].labels == label)}
        best = max(shares, key=shares.get, default=None)
        if best is not None and shares[best] >= 0.5:
            if truths[picture].ignored[best]:
                continue
            if (picture, best) not in taken:
                taken.add((picture, best))
                hits += 1
                curve.append((hits / wanted, hits / (hits + false)))
                continue
        false += 1
        curve.append((hits / wanted, hits / (hits + false)))
    return sum((recall - before) * max(precision for other, precision in curve if other >= recall)
               for (before, _), (recall, _) in pairwise(curve))


@pytest.mark.parametrize("seed", range(5))
def test_voc_ap50_agrees_with_a_slow_obvious_one(seed):
    rng = np.random.default_rng(seed)
    truths, found = zip(*(random_picture(rng) for _ in range(12)), strict=True)
    ours = detail(found, truths, CLASSES, 0.1)
    for label, name in enumerate(CLASSES):
        assert ours.classes[name].voc_ap50 == pytest.approx(plain_voc_ap50(found, truths, label), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_confusion_adds_up_and_fits_recall_and_precision(seed):
    rng = np.random.default_rng(seed)
    truths, found = zip(*(random_picture(rng) for _ in range(12)), strict=True)
    ours = detail(found, truths, CLASSES, 0.2)
    table = np.array(ours.confusion)
    for label, name in enumerate(CLASSES):
        one = ours.classes[name]
        assert table[label].sum() == one.truths == sum(int(((truth.labels == label) & ~truth.ignored).sum())
                                                       for truth in truths)
        assert table[label, label] / one.truths == ours.score.recall[name] == one.at_conf.recall
        assert table[label, label] / table[:, label].sum() == one.at_conf.precision
        assert table[:, label].sum() - table[label, label] == one.at_conf.false_alarms
    assert table[-1, -1] == 0
    for kind, cells in (("missed", table[:-1, -1]), ("invented", table[-1, :-1])):
        assert [sum(getattr(one, kind).get(name, 0) for one in ours.pictures) for name in CLASSES] == list(cells)


@pytest.mark.parametrize("seed", range(3))
def test_a_higher_threshold_finds_no_more_and_the_best_ones_are_the_best(seed):
    rng = np.random.default_rng(seed)
    truths, found = zip(*(random_picture(rng) for _ in range(12)), strict=True)
    for name, one in detail(found, truths, CLASSES, 0.2).classes.items():
        recalls = [point.recall for point in one.thresholds]
        assert recalls == sorted(recalls, reverse=True) and recalls[0] > recalls[-1]
        assert all(low.false_alarms >= high.false_alarms
                   for low, high in pairwise(one.thresholds))
        for point in one.thresholds:
            assert point.recall == score(found, truths, CLASSES, point.threshold).recall[name]
        assert one.best_f1.f1 >= max(point.f1 for point in one.thresholds)
        higher = score(found, truths, CLASSES, one.alarm.threshold + 0.01).recall[name]
        assert one.alarm.recall >= 0.98 * recalls[0] > higher


def test_what_lies_on_an_ignored_truth_is_in_no_column_whatever_its_class():
    truth = labelled([[0, 0, 40, 40], [100, 0, 140, 40]], [0, 1], [True, False])
    found = seen([[0, 0, 40, 40], [1, 0, 40, 40], [100, 0, 140, 40]], [0.9, 0.8, 0.7], [0, 1, 1])
    ours = detail([found], [truth], CLASSES, 0.25)
    assert ours.confusion == ((0, 0, 0), (0, 1, 0), (0, 0, 0)) and ours.pictures == ()
    assert ours.classes["head"].at_conf.precision == 1 and ours.classes["head"].recall_interval == (1, 1)
    assert ours.classes["helmet"].truths == 0 and ours.classes["helmet"].alarm is None
    assert ours.classes["helmet"].sizes["32-64"].truths == 0


def test_a_bare_head_that_is_seen_as_a_helmet_is_the_worst_picture():
    spot, other = [10, 10, 60, 60], [200, 200, 260, 260]
    looks_safe = labelled([spot], [1], name="looks_safe.jpg")
    fine = labelled([spot], [1], name="fine.jpg")
    unseen = labelled([spot], [1], name="unseen.jpg")
    invented = labelled(name="invented.jpg")
    found = [seen([spot], [0.9], [1]), seen([other] * 3, [0.9, 0.8, 0.7], [0, 0, 0]), seen([spot], [0.2], [1]),
             seen([spot, spot], [0.9, 0.1], [0, 1])]
    ours = detail(found, [fine, invented, unseen, looks_safe], CLASSES, 0.25)
    assert [one.picture for one in ours.pictures] == ["looks_safe.jpg", "unseen.jpg", "invented.jpg"]
    assert [one.told for one in ours.pictures] == ["head as helmet 1", "missed head 1", "invented helmet 3"]
    assert ours.confusion == ((0, 0, 0), (1, 1, 1), (3, 0, 0))


def test_a_head_that_is_seen_as_both_is_found_and_the_helmet_invented():
    spot = [10, 10, 60, 60]
    ours = detail([seen([spot, spot], [0.9, 0.5], [0, 1])], [labelled([spot], [1])], CLASSES, 0.25)
    assert ours.confusion == ((0, 0, 0), (0, 1, 0), (1, 0, 0))


def test_a_box_that_fits_loosely_is_a_miss_that_is_told_apart():
    truth = labelled([[0, 0, 60, 60], [100, 0, 160, 60], [200, 0, 260, 60]], [1, 1, 1])
    found = seen([[0, 0, 60, 30 * 0.8], [100, 0, 160, 5], [200, 0, 260, 60], [200, 0, 260, 25]], [0.9] * 4, [1] * 4)
    head = detail([found], [truth], CLASSES, 0.25).classes["head"]
    assert head.at_conf.recall == pytest.approx(1 / 3) and head.loose == 1 and head.at_conf.false_alarms == 3


def test_the_interval_holds_the_recall_and_narrows_with_more_pictures():
    hits, wanted = np.array([1, 0, 2, 1, 0, 3]), np.array([1, 1, 2, 2, 0, 3])
    low, high = recall_interval(hits, wanted)
    assert low < hits.sum() / wanted.sum() < high and (low, high) == recall_interval(hits, wanted)
    many_low, many_high = recall_interval(np.tile(hits, 40), np.tile(wanted, 40))
    assert many_high - many_low < (high - low) / 4
    assert recall_interval(np.zeros(3, int), np.zeros(3, int)) is None
    rare = np.array([1, *[0] * 30])  # most draws hold no truth at all
    assert recall_interval(rare, rare) == (1, 1)


@pytest.mark.parametrize("found", [no_detections(), seen([[0, 0, 9, 9]], [0.5], [0])])
def test_detail_of_pictures_without_truths_is_json_without_nan(found):
    ours = detail([found], [labelled()], CLASSES, 0.25)
    plain = json.loads(json.dumps(ours.to_json(), allow_nan=False))
    assert "score" not in plain and plain["classes"]["head"]["recall_interval"] is None
    assert plain["confusion"][2] == [len(found), 0, 0] and plain["square"] == [416, 416]
    assert detail([], [], CLASSES, 0.25).pictures == ()
