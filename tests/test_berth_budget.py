"""Heat and power: fewer looks before a board slows down, never fewer than an alarm needs, all of them when cool."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jetson_trees import BOARDS
from minehat.detections import Detections
from minehat.telemetry import Reading, read_all, sensors_here
from minehat.telemetry.heat import Heat
from minewatch.board.budget import (
    DOWN,
    FLOOR,
    HOLD,
    LONGEST,
    MARGIN,
    SLACK,
    STALE,
    Budget,
    Strain,
    allowed_looks,
    needed_looks,
    stepped,
    strain_of,
)
from minewatch.config.schema import BudgetPart, CameraPart, RulesPart, ZonePart
from minewatch.judging.history import History
from minewatch.judging.judge import judge
from minewatch.outlook import OLD

LIMITS = {"cpu": 99.0, "gpu": 99.0}
DAYS = st.lists(st.tuples(st.floats(0.1, 40.0), st.sampled_from(["over", "near", "cool"]), st.integers(1, 60)),
                min_size=1, max_size=25)


def heard(told, budget=None, now=0.0):
    """The policy over readings: (moment, level, budget after it) of each. told: (seconds between, level, times)."""
    budget, rows = budget or Budget(), []
    for between, level, times in told:
        for _ in range(times):
            now += between
            budget = stepped(budget, Strain(level, "hot" * (level == "over")), now)
            rows.append((now, level, budget))
    return rows


@given(DAYS)
@settings(max_examples=150, deadline=None)
def test_it_never_swings_faster_than_its_hysteresis(told):
    before, changed = Budget(), -math.inf
    cool_since = None
    for now, level, budget in heard(told):
        cool_since = None if level != "cool" else now if cool_since is None else cool_since
        assert abs(budget.step - before.step) <= 1 and 0 <= budget.step <= FLOOR
        if budget.step > before.step:
            assert level == "over" and now - changed >= DOWN
        if budget.step < before.step:
            assert level == "cool" and now - changed >= HOLD and now - cool_since >= HOLD
        changed = now if budget.step != before.step else changed
        assert bool(budget.why) == bool(budget.step) and HOLD <= budget.wait <= LONGEST
        before = budget


@given(DAYS)
@settings(max_examples=100, deadline=None)
def test_it_always_returns_to_all_looks_when_cool_and_forgets_what_was(told):
    now, _, budget = heard(told)[-1]
    *_, (_, _, after) = heard([(5.0, "cool", round((FLOOR + 2) * LONGEST / 5))], budget, now)
    assert (after.step, after.wait, after.why) == (0, HOLD, "")


@given(DAYS)
@settings(max_examples=100, deadline=None)
def test_strain_that_lasts_leads_to_the_floor_within_seconds(told):
    now, _, budget = heard(told)[-1]
    *_, (_, _, after) = heard([(1.0, "over", math.ceil((FLOOR + 1) * DOWN))], budget, now)
    assert after.step == FLOOR


def test_a_step_up_that_is_taken_back_makes_the_next_wait_longer():
    """A board that only fits its budget with fewer looks is not asked every half minute for months."""
    budget, now, rises = Budget(), 0.0, []
    for _ in range(12 * 3600):
        now += 1.0
        before, budget = budget, stepped(budget, Strain("over" if budget.step == 0 else "cool", "14 W"), now)
        rises += [now] if budget.step < before.step else []
    gaps = np.diff(rises)
    assert (gaps >= HOLD).all() and (gaps[-5:] >= LONGEST).all() and len(rises) <= 12 * 3600 / LONGEST + 6


@given(st.floats(0.1, 240), st.floats(0.1, 240) | st.just(math.inf), st.floats(0, 1), st.floats(0, 1))
def test_looks_are_never_lowered_below_what_an_alarm_needs(full, needed, share, other):
    allowed = allowed_looks(full, needed, share)
    if share == 1 or full <= needed:
        assert allowed is None  # nothing is spared
    else:
        assert needed <= allowed <= full + 1e-9
        less = allowed_looks(full, needed, min(share, other))
        assert less <= allowed and allowed_looks(full, needed, 0.0) == needed


@given(st.integers(1, 30), st.floats(0.2, 5), st.floats(0.2, 3))
@settings(max_examples=40, deadline=None)
def test_at_the_floor_an_alarm_still_comes_in_its_time(frames, seconds, gap):
    """Asked of the judge itself: a bare head that stays, looked at as often as the floor says."""
    rules = RulesPart(frames=frames, seconds=seconds, gap=gap)
    pace = needed_looks(rules, CameraPart(name="gate", url="rtsp://192.0.2.1/x"))
    history, bare = History.fresh(rules, (), ("helmet", "head"), "run"), Detections(
        np.array([[40, 40, 60, 65]], np.float32), np.array([0.9], np.float32), np.array([1]))
    for number in range(math.ceil(10 * pace * seconds) + 10):
        history, verdicts = judge(history, bare, (100, 100), 1000 + number / pace)
        if verdicts:
            assert verdicts[0].kind == "bare_head" and number / pace <= seconds + 1 / pace + 1e-6
            return
    pytest.fail("no alarm at all")


def test_the_strictest_zone_says_what_is_needed_and_one_that_is_not_judged_nothing():
    rules, corners = RulesPart(), ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))

    def needed(*zones, **changes):
        return needed_looks(rules, CameraPart(name="gate", url="rtsp://192.0.2.1/x", zones=zones, **changes))

    assert needed() == 5.0 and needed(rules={"frames": 8}) == 8.0 and needed(rules={"frames": 1, "gap": 1.0}) == 2.0
    quick = {"name": "gate", "points": corners, "rules": {"seconds": 0.5}}
    assert needed(ZonePart(**quick)) == 10.0 and needed(ZonePart(**quick, rule="ignore")) == 5.0
    assert needed(rules={"seconds": 600.0, "gap": 60.0}) == 2 / OLD  # or it would count as not watched
    assert needed(rules={"seconds": 0.0}) == math.inf  # nothing can be spared
    assert allowed_looks(25.0, math.inf, 0.0) is None


@given(st.dictionaries(st.sampled_from(["cpu", "gpu", "board"]), st.floats(20, 110), min_size=1), st.floats(1, 100),
       st.floats(0, 40))
def test_what_is_hotter_or_takes_more_is_never_less_strained(celsius, watts, more):
    part, order = BudgetPart(watts=50), ["cool", "near", "over"]

    def level(add):
        reading = Reading(0.0, celsius={zone: value + add for zone, value in celsius.items()}, total_watts=watts + add)
        return order.index(strain_of(reading, LIMITS, part, 0.0).level)

    assert level(more) >= level(0.0)


@pytest.mark.parametrize("changes, part, level", [
    ({"celsius": {"cpu": 99 - MARGIN}}, {}, "over"), ({"celsius": {"cpu": 99 - MARGIN - 0.1}}, {}, "near"),
    ({"celsius": {"cpu": 99 - MARGIN - SLACK}}, {}, "near"), ({"celsius": {"cpu": 50, "gpu": 88.9}}, {}, "cool"),
    ({"celsius": {"board": 150}}, {}, "cool"),  # nothing is known of where it slows down
    ({"celsius": {"board": 70}}, {"celsius": 70}, "over"), ({"celsius": {"cpu": 101}}, {"celsius": 105}, "near"),
    ({"total_watts": 14.0}, {"watts": 14}, "over"), ({"total_watts": 13.0}, {"watts": 14}, "near"),
    ({"total_watts": 12.0}, {"watts": 14}, "cool"), ({"total_watts": 90.0}, {}, "cool"),
    ({"throttled": ("GPU at its power limit",)}, {}, "cool"),  # as fast as it was built to be
    ({"throttled": ("GPU too hot",)}, {}, "over"), ({"throttled": ("GPU too hot",)}, {"enabled": False}, "cool")])
def test_what_counts_as_strain(changes, part, level):
    strain = strain_of(Reading(10.0, **changes), LIMITS, BudgetPart(**part), 10.0)
    assert strain.level == level and bool(strain.why) == (level == "over")


def test_sensors_that_are_silent_hold_nothing_back():
    hot = Reading(10.0, celsius={"cpu": 105.0})
    assert strain_of(hot, LIMITS, BudgetPart(), 10.0 + STALE).level == "over"
    assert strain_of(hot, LIMITS, BudgetPart(), 10.1 + STALE).level == "cool"
    assert strain_of(None, LIMITS, BudgetPart(), 10.0).level == "cool"


@pytest.mark.parametrize("name, level", [("orin_nano", "cool"), ("orin_nx", "cool"), ("agx_orin", "over"),
                                         ("agx_thor", "cool")])
def test_of_each_board_it_is_known_when_it_is_pressed(tmp_path, name, level):
    root = BOARDS[name](tmp_path)
    reading = read_all(sensors_here(root))
    assert strain_of(reading, Heat(root).limits(), BudgetPart(), reading.at).level == level


def test_a_board_that_would_throttle_does_not_with_fewer_looks():
    """A box in a hot place, as a first-order model: it warms by what the looks take."""
    board = SimpleNamespace(celsius=40.0, ambient=60.0)
    budget, now, seen, shares = Budget(), 0.0, [], []
    for _ in range(6 * 3600):
        now += 1.0
        looks = allowed_looks(25.0, 5.0, budget.share) or 25.0
        board.celsius += (board.ambient + 12 + 1.4 * looks - board.celsius) / 120
        reading = Reading(now, celsius={"cpu": board.celsius})
        budget = stepped(budget, strain_of(reading, LIMITS, BudgetPart(), now), now)
        seen.append(board.celsius)
        shares.append(budget.share)
    assert max(seen) < LIMITS["cpu"] and board.ambient + 12 + 1.4 * 25 > LIMITS["cpu"]
    assert np.mean(shares[3600:]) > 0.25  # it is not left at the floor for good
    assert np.count_nonzero(np.diff(shares[3600:])) < 5 * 3600 / LONGEST * 4
