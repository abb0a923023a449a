"""Misses, false alarms and double events on rendered galleries, where it is known who was where.

What a detector sees is told apart from what the judge makes of it: with exact boxes, spoilt as by a middling detector,
the judge keeps its goals; end to end with the shipped small model they are kept for heads of sizes that it knows. For
all sizes, down to 8 pixels, its figures are bounds that were measured.
"""

import json

import numpy as np
import pytest
from golden_scenes import MODEL, SEEDS, kept, watched
from minehat.scenes import film
from minewatch.config.schema import RulesPart
from scene_events import SIZE, Score, events_of, noisy, score

MISSED, FALSE, DOUBLE = 0.10, 0.05, 0.03  # the goals, as shares of what is owed, of events, of events
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
    assert total.missed_share <= MISSED and total.false_share <= FALSE and total.double <= DOUBLE * total.events
    assert np.percentile(total.delays, 95) <= 2.5


@pytest.mark.parametrize(("rules", "missed", "false", "double"), [
    (RulesPart(), 0.25, 0.25, 4), (RulesPart(smallest=KNOWN), MISSED, FALSE, 0)], ids=["all", "known sizes"])
def test_the_small_model_end_to_end(clips, rules, missed, false, double):
    """Scripted scenes, the goals: heads of known sizes. Of all sizes: no worse than measured."""
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
def test_forty_fresh_clips_end_to_end():
    """The goals on clips kept apart from training and the golden ones, drawn and looked at here and now.

    Heads of known sizes end to end; of all sizes with exact boxes that were spoilt.
    """
    clips = list(watched(range(9400, 9440)))
    exact = Score()
    for seed in range(3):
        exact.add(spoilt(clips, seed))
    known, every = end_to_end(clips, RulesPart(smallest=KNOWN)), end_to_end(clips, RulesPart())
    told = {name: {"owed": one.owed, "missed": one.missed, "events": one.events, "false": one.false,
                   "double": one.double}
            for name, one in (("exact boxes, spoilt", exact), ("helmet-nano, known sizes", known),
                              ("helmet-nano, all", every))}
    print(json.dumps({"model": MODEL.name, "clips": len(clips), **told}))
    assert known.owed >= 20
    for one in (exact, known):
        assert one.missed_share <= MISSED and one.false_share <= FALSE and one.double <= DOUBLE * one.events
