"""Paired bootstrap: what one model loses against another on the same pictures, and how sure that is."""

import numpy as np
import pytest
from minehat.detections import no_detections
from minehat.scoring import score
from minehat.scoring.paired import (
    Interval,
    hits_of,
    map50_of,
    paired_map50_drop,
    paired_recall_drop,
    ranked,
)
from test_scoring import CLASSES, labelled, random_picture, seen


def pictures(seed, count):
    rng = np.random.default_rng(seed)
    truths, found = zip(*(random_picture(rng) for _ in range(count)), strict=True)
    return found, truths


def without(found, share, seed=0):
    """The same detections, a share of them not made."""
    rng = np.random.default_rng(seed)
    return [one[rng.random(len(one)) >= share] for one in found]


@pytest.mark.parametrize("seed", range(5))
def test_every_picture_once_is_the_score_itself(seed):
    found, truths = pictures(seed, 12)
    (once,) = map50_of(ranked(found, truths, CLASSES), np.ones((1, 12)))
    assert once == pytest.approx(score(found, truths, CLASSES, 0.1).map50, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_is_what_scoring_its_pictures_anew_would_give(seed):
    found, truths = pictures(seed, 10)
    weights = np.random.default_rng(seed).multinomial(10, [0.1] * 10, 4).astype(float)
    for draw, fast in zip(weights, map50_of(ranked(found, truths, CLASSES), weights), strict=True):
        rows = np.repeat(np.arange(10), draw.astype(int))
        slow = score([found[row] for row in rows], [truths[row] for row in rows], CLASSES, 0.1)
        assert fast == pytest.approx(slow.map50, abs=1e-9)


def test_hits_add_up_to_the_recall():
    found, truths = pictures(1, 12)
    for label, name in enumerate(CLASSES):
        hits, wanted = hits_of(found, truths, label, 0.2)
        assert hits.sum() / wanted.sum() == score(found, truths, CLASSES, 0.2).recall[name]
        assert len(hits) == 12 and (hits <= wanted).all()


def test_a_model_loses_nothing_against_itself():
    found, truths = pictures(2, 12)
    hits, wanted = hits_of(found, truths, 1, 0.1)
    nothing = Interval(0.0, 0.0, 0.0, 0.0)
    assert paired_map50_drop(found, found, truths, CLASSES) == paired_recall_drop(hits, hits, wanted) == nothing


def test_what_is_lost_is_told_with_its_sign():
    found, truths = pictures(3, 40)
    blunt = without(found, 0.8)
    lost = paired_map50_drop(found, blunt, truths, CLASSES)
    whole, part = (score(one, truths, CLASSES, 0.1).map50 for one in (found, blunt))
    assert lost.drop == pytest.approx(whole - part, abs=1e-9) and 0 < lost.low < lost.drop < lost.bound < lost.high
    gained = paired_map50_drop(blunt, found, truths, CLASSES)
    assert (gained.drop, gained.low, gained.high) == pytest.approx((-lost.drop, -lost.high, -lost.low))
    assert gained.bound < 0


def test_the_drop_of_a_recall_is_counted_in_truths():
    wanted = np.array([2, 1, 0, 3])
    lost = paired_recall_drop(np.array([2, 1, 0, 2]), np.array([1, 1, 0, 1]), wanted)
    assert lost.drop == pytest.approx(2 / 6) and lost.low <= lost.drop <= lost.bound <= lost.high
    assert lost.low >= 0 and lost.high <= 0.5  # no draw can lose more than one in two


def test_pairing_leaves_out_what_both_find_hard():
    rng = np.random.default_rng(4)
    wanted = np.full(200, 2)
    hits = 2 * rng.integers(0, 2, 200)  # half of the pictures are hopeless
    alike = np.where(np.arange(200) < 4, np.minimum(hits, 1), hits)
    paired = paired_recall_drop(hits, alike, wanted)
    strangers = paired_recall_drop(hits, rng.permutation(alike), wanted)
    assert paired.high - paired.low < (strangers.high - strangers.low) / 4


def test_more_pictures_narrow_the_interval():
    found, truths = pictures(5, 20)
    few = paired_map50_drop(found, without(found, 0.3), truths, CLASSES)
    many_found, many_truths = pictures(5, 320)
    many = paired_map50_drop(many_found, without(many_found, 0.3), many_truths, CLASSES)
    assert many.high - many.low < (few.high - few.low) / 2


def test_the_interval_covers_the_true_drop_about_as_often_as_it_says():
    rng = np.random.default_rng(6)
    wanted = np.ones(100)
    covered = 0
    for trial in range(200):
        ours, theirs = rng.random((2, 100)) < [[0.8], [0.7]]
        told = paired_recall_drop(ours, theirs, wanted, resamples=300, seed=trial)
        covered += told.low <= 0.1 <= told.high
    assert 0.9 <= covered / 200 <= 0.99


def test_nothing_to_find_has_no_interval_and_a_class_without_truths_is_left_out():
    assert paired_map50_drop([no_detections()], [no_detections()], [labelled()], CLASSES) is None
    assert paired_map50_drop([], [], [], CLASSES) is None
    assert paired_recall_drop(np.zeros(3), np.zeros(3), np.zeros(3)) is None
    box = [0, 0, 20, 20]
    truth = labelled([box], [0])
    hit, stray = seen([box, [50, 50, 90, 90]], [0.9, 0.99], [0, 1]), seen([[50, 50, 90, 90]], [0.9], [0])
    assert paired_map50_drop([hit], [stray], [truth], CLASSES).drop == pytest.approx(1)


def test_pictures_and_findings_must_pair_up():
    with pytest.raises(ValueError, match="found has 0 pictures, truths 1"):
        paired_map50_drop([], [], [labelled()], CLASSES)
