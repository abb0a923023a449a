"""Who is in which zone, and how often have people entered it?"""

import matplotlib.path
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minehat import Detections
from minewatch.config.schema import RulesChange, RulesPart, ZonePart
from minewatch.events.event import Event
from minewatch.judging.history import History
from minewatch.judging.judge import judge, resumed, tracks_of, with_rules
from minewatch.judging.zones import changed, standing, steps_to, within, zones_of

CLASSES, SIZE = ("helmet", "head"), (1000, 500)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
COORDINATE = st.floats(0, 1, width=32)


def heads(*rows):
    """Detections of (label, x, y): heads of 40 x 50 pixels whose point is there."""
    boxes = [(x - 20, y - 50, x + 20, y) for _, x, y in rows]
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(rows), 0.8, np.float32),
                      np.array([label for label, _, _ in rows], np.int64))


def watched(scene, seconds, zones, fps=10, rules=None):
    """Judge scene(t), rows for `heads`, frame by frame."""
    history, told = History.fresh(rules or RulesPart(), zones, CLASSES, "run"), []
    for row in range(round(seconds * fps)):
        history, verdicts = judge(history, heads(*scene(row / fps)), SIZE, row / fps)
        told += verdicts
    return history, told


def zone(name="a", points=LEFT, rule="helmet", **more):
    return ZonePart(name=name, points=points, rule=rule, **more)


@settings(deadline=None)
@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=12), st.integers(0, 2**32 - 1))
def test_places_are_within_a_polygon_as_another_library_has_it(points, seed):
    places = np.random.default_rng(seed).random((50, 2))
    polygon = np.array(points)
    far = steps_to(polygon, places, np.ones((50, 2))) > 1e-6
    simple = matplotlib.path.Path(np.concatenate([polygon, polygon[:1]]), closed=True)
    winding = simple.contains_points(places)
    ours = within(polygon, places)
    if len(points) == 3:
        np.testing.assert_array_equal(ours[far], winding[far])
    assert not (ours & ~winding)[far].any()


@settings(deadline=None)
@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=10), st.integers(0, 2**32 - 1))
def test_a_polygon_may_begin_at_any_corner_and_go_either_way(points, seed):
    places, polygon = np.random.default_rng(seed).random((40, 2)), np.array(points)
    sizes = np.full((40, 2), 0.1)
    clear = steps_to(polygon, places, sizes) > 1e-6
    for same in (np.roll(polygon, 1, axis=0), polygon[::-1]):
        np.testing.assert_array_equal(within(same, places)[clear], within(polygon, places)[clear])
        np.testing.assert_allclose(steps_to(same, places, sizes), steps_to(polygon, places, sizes), 1e-6, 1e-9)


def test_distance_is_told_in_sizes_of_the_head():
    square = np.array([(0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6)])
    places, sizes = np.array([[0.7, 0.4], [0.4, 0.7], [0.4, 0.4]]), np.array([[0.05, 0.1]] * 3)
    np.testing.assert_allclose(steps_to(square, places, sizes), [2, 1, 2], atol=1e-9)


def test_who_was_in_stays_until_half_a_head_outside():
    (left,) = zones_of([zone()], RulesPart())
    boxes = np.array([[x - 0.02, 0.4, x + 0.02, 0.5] for x in (0.49, 0.51, 0.53)])
    assert standing(left, boxes, np.zeros(3, bool)).tolist() == [True, False, False]
    assert standing(left, boxes, np.ones(3, bool)).tolist() == [True, True, False]


def test_bare_heads_count_where_helmets_are_asked_for_and_nowhere_else():
    zones = [zone("gate"), zone("office", RIGHT, "ignore")]
    _, told = watched(lambda t: [(1, 250, 300), (1, 750, 300)], 5, zones)
    assert [(one.kind, one.zone) for one in told] == [("bare_head", "gate")]


def test_without_a_zone_for_helmets_the_whole_picture_asks_for_them_less_what_is_ignored():
    _, told = watched(lambda t: [(1, 250, 300), (1, 750, 300)], 5, [zone("office", RIGHT, "ignore")])
    assert [(one.kind, one.zone, one.box[0] < 0.5) for one in told] == [("bare_head", "", True)]


def test_rules_may_differ_from_zone_to_zone():
    zones = [zone("soon"), zone("late", RIGHT, rules=RulesChange(seconds=4.0))]
    _, told = watched(lambda t: [(1, 250, 300), (1, 750, 300)], 6, zones)
    assert [one.zone for one in told] == ["soon", "late"]
    assert [round(one.seconds - one.began, 1) for one in told] == [1.0, 4.0]
    assert changed(RulesPart(), RulesChange(frames=9)) == RulesPart(frames=9)


def test_a_helmet_does_not_help_where_nobody_may_be():
    zones = [zone("belt", RIGHT, "no_entry")]
    history, told = watched(lambda t: [(0, 250 + 100 * min(t, 5), 300)] if t < 8 else [(0, 250, 100)], 20, zones)
    assert [(one.kind, one.zone, one.loud) for one in told] == [
        ("intruder", "belt", True), ("intruder_ended", "belt", False)]
    assert told[0].began == pytest.approx(2.5, abs=0.2) and told[0].incident == told[1].incident
    assert told[1].seconds == pytest.approx(13, abs=0.3)
    assert history.counts == {"belt": 1}


def test_a_step_over_the_border_for_half_a_second_is_no_intrusion():
    _, told = watched(lambda t: [(0, 560 if 3 <= t < 3.5 else 440, 300)], 10, [zone("belt", RIGHT, "no_entry")])
    assert told == []


def test_somebody_at_the_border_is_counted_once_a_stay():
    rng = np.random.default_rng(5)
    dither = rng.normal(0, 6, 2000)
    history, _ = watched(lambda t: [(0, 500 - 60 * np.clip(8 - t, 0, 8) + dither[round(10 * t)], 300)], 60,
                         [zone("gate", RIGHT)])
    assert history.counts == {"gate": 1}


def test_coming_back_is_another_entry_and_two_people_are_two():
    def scene(t):
        place = 480 - 200 * np.cos(2 * np.pi * t / 20)
        return [(0, place, 200), (0, place + 30, 400)]
    history, _ = watched(scene, 60, [zone("gate", RIGHT)])
    assert history.counts == {"gate": 6}


def test_zones_that_are_not_to_count_do_not():
    history, _ = watched(lambda t: [(1, 250, 300)], 5, [zone("gate", count=False)])
    assert history.counts == {}


def test_people_are_shown_with_their_zone():
    history, _ = watched(lambda t: [(1, 250, 300), (0, 750, 300)], 3, [zone("gate"), zone("hall", RIGHT)])
    assert [(one.wears, one.alarmed, one.zone) for one in tracks_of(history)] == [
        ("bare", True, "gate"), ("helmet", False, "hall")]


def test_a_zone_that_is_taken_away_ends_its_incidents_and_the_others_go_on():
    """A reload of the configuration in the middle of incidents."""
    zones = [zone("gate"), zone("hall", RIGHT)]
    history, told = watched(lambda t: [(1, 250, 300), (1, 750, 300)], 3, zones)
    history, ends = with_rules(history, RulesPart(), zones[1:], CLASSES)
    assert [(one.kind, one.zone, one.incident) for one in ends] == [("bare_head_ended", "gate", told[0].incident)]
    history, more = judge(history, heads((1, 250, 300), (1, 750, 300)), SIZE, 3.0)
    assert more == [] and [one.alarmed for one in tracks_of(history)] == [False, True]


def test_a_zone_that_asks_for_something_else_ends_the_incidents_of_before():
    """An intruder's would never end: nobody asks any more whether they are there."""
    history, told = watched(lambda t: [(0, 250, 300)], 3, [zone("gate", rule="no_entry")])
    history, ends = with_rules(history, RulesPart(), [zone("gate", rule="ignore")], CLASSES)
    assert [(one.kind, one.incident) for one in ends] == [("intruder_ended", told[0].incident)]
    history, back = with_rules(history, RulesPart(), [zone("gate", rule="no_entry")], CLASSES)
    history, more = judge(history, heads((0, 250, 300)), SIZE, 3.0)
    assert back == [] and [one.kind for one in more] == ["intruder"]


def test_who_is_seen_in_a_zone_for_a_moment_has_not_entered_it():
    history, _ = watched(lambda t: [(1, 250, 300)] if t < 0.4 else [], 5, [zone("gate")])
    assert history.counts == {"gate": 0}


def test_nobody_is_an_intruder_where_nothing_is_judged():
    zones = [zone("belt", RIGHT, "no_entry"), zone("office", RIGHT, "ignore")]
    assert watched(lambda t: [(1, 750, 300)], 5, zones)[1] == []


def test_an_incident_from_before_a_restart_goes_on_in_its_own_zone_alone():
    """C5: the person at the gate has gone, another one stands in the hall."""
    zones = [zone("gate"), zone("hall", RIGHT)]
    kept = Event("bare_head", 5e9, "cam", zone="gate", began=5e9 - 1)
    history, told = resumed(History.fresh(RulesPart(), zones, CLASSES, "run"), [kept], 0.0, 5e9), []
    for row in range(150):
        history, verdicts = judge(history, heads((1, 750, 300)), SIZE, row / 10)
        told += verdicts
    assert [(one.kind, one.zone) for one in told] == [("bare_head", "hall"), ("bare_head_ended", "gate")]


def test_an_incident_from_before_a_restart_ends_with_its_zone():
    history = History.fresh(RulesPart(), [zone("gate")], CLASSES, "run")
    history = resumed(history, [Event("bare_head", 5e9, "cam", zone="gate", began=5e9 - 1)], 0.0, 5e9)
    history, ends = with_rules(history, RulesPart(), [zone("hall", RIGHT)], CLASSES)
    assert [(one.kind, one.zone) for one in ends] == [("bare_head_ended", "gate")] and not history.lost


def test_an_incident_ends_by_the_rules_of_its_zone():
    _, told = watched(lambda t: [(1, 250, 300)] if t < 3 else [], 40, [zone("gate", rules=RulesChange(quiet=20.0))])
    assert [one.kind for one in told] == ["bare_head", "bare_head_ended"]
    assert told[1].seconds == pytest.approx(23, abs=0.3)
