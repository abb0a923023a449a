"""Misses, false alarms and double events on rendered galleries, where it is known who was where.

What a detector sees is told apart from what the judge makes of it: with exact boxes, spoilt as by a middling detector,
the judge keeps its goals; end to end the shipped small model decides, and its figures are bounds that were measured.
"""

import json

import numpy as np
import pytest
from golden_scenes import MODEL, SEEDS, kept, watched
from minehat.scenes import film
from minewatch.config.schema import RulesPart
from scene_events import SIZE, Score, events_of, noisy, score

SMALL = 8.0  # pixels of a head's height: all that the scenes have a box for
KNOWN = 48 / 720  # height of a head, of the frame's, from which the small model was measured: 16 pixels of its square


@pytest.fixture(scope="module")
def clips():
    """The clips of the golden file."""
    return list(kept())


def spoilt(clips, seed):
    """Scores of the judge on exact boxes with misses, jitter and mistaken labels."""
    total = Score()
    for number, clip in clips:
        rng = np.random.default_rng([seed, number])
        truths = [truth for truth, _ in clip]
        found = [(truth.seconds, noisy(truth, rng)) for truth in truths]
        total.add(score(truths, events_of(found, RulesPart()), SMALL))
    return total


def end_to_end(clips, rules):
    """Scores of the model and the judge together."""
    total = Score()
    for _, clip in clips:
        found = [(truth.seconds, detections) for truth, detections in clip]
        total.add(score([truth for truth, _ in clip], events_of(found, rules), max(SMALL, 1.1 * 720 * rules.smallest)))
    return total


def test_boxes_spoilt_as_by_a_middling_detector_keep_the_goals(clips):
    """Scripted scenes: misses <= 10 %, false alarms <= 5 %, one event a person and stay."""
    total = spoilt(clips, 0)
    print(f"exact boxes, 20 % missed, 6 % jitter, 10 % of labels mistaken: {total.told()}")
    assert total.owed >= 30
    assert total.missed_share <= 0.10 and total.false_share <= 0.05
    assert total.double <= 0.03 * total.events
    assert np.percentile(total.delays, 95) <= 2.5


@pytest.mark.parametrize(("rules", "missed", "false", "double"), [
    (RulesPart(), 0.30, 0.45, 8), (RulesPart(smallest=KNOWN), 0.20, 0.25, 2)], ids=["all", "known sizes"])
def test_the_small_model_end_to_end_is_no_worse_than_measured(clips, rules, missed, false, double):
    total = end_to_end(clips, rules)
    print(f"helmet-nano, heads from {720 * rules.smallest:.0f} pixels: {total.told()}")
    assert total.owed >= 10
    assert total.missed_share <= missed and total.false_share <= false and total.double <= double


def test_the_golden_clips_are_what_is_drawn(clips):
    _, clip = clips[0]
    for drawn, (truth, _) in zip(film(SEEDS[0], 2, *SIZE, 12.5), clip, strict=False):
        np.testing.assert_allclose(drawn.boxes, truth.boxes, atol=0.1)
        np.testing.assert_array_equal(drawn.labels, truth.labels)
        np.testing.assert_array_equal(drawn.identities, truth.identities)
        assert drawn.seconds == truth.seconds


@pytest.mark.soak
def test_twenty_fresh_clips_end_to_end():
    """The same on clips of other seeds, drawn and looked at here and now."""
    clips, told = list(watched(range(9300, 9320))), {}
    total = Score()
    for seed in range(3):
        total.add(spoilt(clips, seed))
    for name, one in {"exact boxes, spoilt": total, "helmet-nano, all": end_to_end(clips, RulesPart()),
                      "helmet-nano, known sizes": end_to_end(clips, RulesPart(smallest=KNOWN))}.items():
        told[name] = {"owed": one.owed, "missed": one.missed, "events": one.events, "false": one.false,
                      "double": one.double}
    print(json.dumps({"model": MODEL.name, "clips": len(clips), **told}))
    assert total.missed_share <= 0.10 and total.false_share <= 0.05 and total.double <= 0.03 * total.events
    assert told["helmet-nano, known sizes"]["owed"] >= 5
