"""How a camera stands, on a clock turned by hand: what is told when, and when it is opened again."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from minewatch.cameras import standing as stand
from minewatch.cameras.messages import Cause
from minewatch.cameras.standing import Change, Opener

TURN = 0.25  # seconds, the longest that the loop waits
World = Callable[[float], str]  # what the camera does at a moment: frames, silent, damaged, or a cause


class Day:
    """A camera in a world, turned by hand as the handle does it."""

    def __init__(self, world: World, stall: float = 2.0, live: bool = True, seed: int = 0) -> None:
        self.now, self.world, self.chance = 0.0, world, random.Random(seed)
        self.camera = stand.fresh(0.0, stall, live)
        self.told: list[tuple[float, Change]] = []
        self.opens: list[float] = []
        self.stood: list[tuple[float, str]] = []

    def until(self, end: float) -> Day:
        while self.now < end:
            self._turn(self.world(self.now))
            self.stood.append((self.now, self.camera.standing))
            self.now += TURN
        return self

    def _turn(self, does: str) -> None:
        camera, now = self.camera, self.now
        if camera.opening is None and camera.due is not None and now >= camera.due:
            self.opens.append(now)
            camera = stand.begun(camera, now)
        if camera.opening is not None:
            if does == "frames":
                camera = stand.arrived(camera, now)
            elif does == "damaged":
                camera = stand.beaten(camera, now, fit=False)
            elif does != "silent":
                camera = self._lost(camera, does)  # type: ignore[arg-type]
        camera = stand.turned(camera, now)
        if why := stand.overdue(camera, now):
            camera = self._lost(camera, *why)
        self.camera, change = stand.notice(camera, now)
        self.told += [(now, change)] if change else []

    def _lost(self, camera: stand.Standing, cause: Cause, text: str = "") -> stand.Standing:
        return stand.lost(camera, self.now, cause, text, self.chance.random())

    def first(self, standing: str, after: float = 0.0) -> float:
        return next(moment for moment, stood in self.stood if stood == standing and moment >= after)

    def tellings(self) -> list[tuple[str, str | None]]:
        return [(change.standing, change.cause) for _, change in self.told]


def between(begin: float, end: float, does: str, else_does: str = "frames") -> World:
    return lambda now: does if begin <= now < end else else_does


@pytest.mark.parametrize("cause", ["refused", "not_found", "no_route", "forbidden", "auth"])
def test_a_camera_that_says_no_is_told_with_its_cause(cause: str) -> None:
    """A1: at once, and once."""
    day = Day(lambda now: cause).until(300)
    assert day.tellings() == [("waiting", cause)]
    assert day.told[0][0] <= 1


def test_a_refused_password_is_not_tried_again_soon() -> None:
    """A1: no try comes within 30 s of the last one, so that no account is locked, and they do go on."""
    day = Day(lambda now: "auth").until(3600)
    steps = [later - sooner for sooner, later in pairwise(day.opens)]
    assert min(steps) >= 30 and max(steps) <= 400


def test_no_answer_is_a_timeout() -> None:
    """A2: told within 6 s."""
    day = Day(lambda now: "silent").until(60)
    assert day.tellings() == [("waiting", "timeout")] and day.told[0][0] <= 6


def test_a_busy_machine_is_no_fault_of_the_camera() -> None:
    """Its reader came to life 4 s late; the camera has its 5 s from then on. One that never does is no excuse."""
    late = stand.born(stand.begun(stand.fresh(0, 2), 0), 4)
    assert stand.overdue(late, 8.9) is None and stand.overdue(late, 9.1) is not None
    assert stand.overdue(stand.begun(stand.fresh(0, 2), 0), 5.1) is not None


@pytest.mark.parametrize("stall", [0.5, 2.0, 4.0])
def test_silence_is_told(stall: float) -> None:
    """A3, A4: within 5 s of the last frame, by the stall clock alone."""
    day = Day(between(100, 1e9, "silent"), stall).until(200)
    assert day.tellings() == [("live", None), ("waiting", "stalled")]
    assert stall < day.told[1][0] - 100 + TURN <= min(stall + 2 * TURN, 5)


def test_a_camera_that_comes_back_is_live_soon() -> None:
    """A5: after 20 s, within 3 s and the wait of at most 5 s; one notice of each kind."""
    for seed in range(50):
        day = Day(between(100, 120, "refused"), seed=seed).until(200)
        assert day.tellings() == [("live", None), ("waiting", "refused"), ("live", None)]
        assert day.first("live", after=120) - 120 <= 5 + TURN


def test_a_long_outage_is_tried_less_and_less() -> None:
    """Waits rise from half a second to half a minute, with jitter, and start anew after a minute of health."""
    day = Day(lambda now: "refused" if 100 <= now < 1000 or 1100 <= now < 1110 else "frames").until(1200)
    tries = [moment for moment in day.opens if 100 < moment < 1000]
    steps = [later - sooner for sooner, later in pairwise(tries)]
    assert 0.5 <= min(steps) <= 2 and 15 <= max(steps) <= 30 + TURN
    assert max(steps[:8]) < 5 < min(steps[-10:])
    assert len({round(step, 2) for step in steps[-10:]}) > 3
    assert day.first("live", after=1110) - 1110 <= 5


def test_a_flapping_camera_does_not_fill_the_day() -> None:
    """A6: 100 cuts in 10 minutes: at most two faults a minute are told, and three changes in all; none comes late."""
    for seed in range(20):
        chance = random.Random(seed)
        cuts = sorted(chance.uniform(10, 610) for _ in range(100))
        pending = list(cuts)

        def world(now: float, pending: list[float] = pending) -> str:
            if pending and now >= pending[0]:
                pending.pop(0)
                return "ended"
            return "frames"

        day = Day(world, seed=seed).until(800)
        faults = [moment for moment, change in day.told if change.standing == "waiting"]
        assert all(sum(begin <= moment < begin + 60 for moment in faults) <= 2 for begin in faults)
        assert all(sum(begin <= moment < begin + 60 for moment, _ in day.told) <= 3 for begin in faults)
        assert day.told[-1][1].standing == "live" and day.camera.standing == "live"
        lost = sum(stood != "live" for _, stood in day.stood) * TURN
        assert lost <= 100 * 4.5, "no cut may blind it for longer than the shortest waits"


def test_a_fault_is_told_at_once_even_of_a_flapping_camera() -> None:
    """Whenever a camera that was told to be live is lost, that is told in the same turn."""
    for seed in range(20):
        chance = random.Random(seed)
        day = Day(lambda now, chance=chance: chance.choice(["frames"] * 60 + ["ended"]), seed=seed).until(900)
        state, told = None, dict(day.told)
        for moment, stood in day.stood:
            state = told[moment].standing if moment in told else state
            assert stood == "live" or state in (None, "waiting")


def test_only_damaged_frames_are_blindness() -> None:
    """A8: a stream that gives nothing whole is told to be blind, is not torn down at once, and then is."""
    day = Day(between(100, 1e9, "damaged")).until(180)
    assert ("blind", "broken") in day.tellings() and day.told[1][0] - 100 <= 5
    assert [moment for moment in day.opens if 100 < moment <= 130] == []
    assert [moment for moment in day.opens if 130 < moment < 180] != []


def test_a_camera_that_never_gave_a_whole_frame_is_told_and_tried_again() -> None:
    """It answers, and all that comes is damaged from the first packet on."""
    day = Day(lambda now: "damaged").until(stand.FIRST + 8)
    assert day.tellings() == [("waiting", "timeout")] and "no whole frame" in day.told[0][1].text
    assert day.told[0][0] == pytest.approx(stand.FIRST, abs=0.5) and len(day.opens) == 2


def test_a_camera_is_live_since_its_first_frame() -> None:
    assert Day(lambda now: "frames").until(100).camera.since < 1


def test_a_long_outage_is_of_its_first_moment() -> None:
    day = Day(lambda now: "frames" if now < 10 else "refused").until(200)
    assert len(day.opens) > 5 and day.camera.since == pytest.approx(10, abs=0.5)


def test_no_more_than_twelve_cameras_open_in_a_second() -> None:
    """A7: all at once, as after a cable is put back; and none waits long."""
    opener, waiting, now, moments = Opener(), 64, 0.0, []
    while waiting and now < 60:
        if opener.may(now):
            moments.append(now)
            waiting -= 1
        else:
            now += 0.05
    assert not waiting and moments[-1] <= 6
    assert all(sum(begin <= moment < begin + 1 for moment in moments) <= 12 for begin in moments)


def test_twelve_cameras_are_back_after_the_cable_is() -> None:
    """A7: the cable is out for 20 s: all are told within 5 s, all live again within 10 s of its return."""
    days = [Day(lambda now: "frames" if now < 100 else "no_route" if 103 < now < 120 else
                "silent" if now < 120 else "frames", seed=seed).until(200) for seed in range(12)]
    assert all(day.told[1][0] - 100 <= 5 for day in days)
    assert all(day.first("live", after=120) - 120 <= 10 for day in days)


def test_a_file_that_ends_is_done() -> None:
    """It is told once, and not opened again."""
    day = Day(lambda now: "frames" if now < 10 else "ended", live=False).until(100)
    assert day.tellings() == [("live", None), ("ended", "ended")] and len(day.opens) == 1


def test_a_quiet_folder_is_live() -> None:
    """Its reader's beats are enough; without them it is stalled."""
    camera = stand.arrived(stand.begun(stand.fresh(0, 2, live=False), 0), 0)
    for second in range(100):
        camera = stand.turned(stand.beaten(camera, second, fit=True), second)
        assert stand.overdue(camera, second) is None and camera.standing == "live"
    assert stand.overdue(camera, 120) is not None
