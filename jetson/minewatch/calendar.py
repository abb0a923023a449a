"""The wall clock, looked at once a second: whether it is trusted, when it jumped, and when a day begins."""

from __future__ import annotations

from datetime import datetime

from .clock import Clock
from .events.wall import WallClock, seen, synchronised
from .judging.verdict import Verdict

EVERY = 1.0  # seconds


class Calendar:
    """Asks the clock that people set; nothing is decided by it but what people read."""

    def __init__(self, clock: Clock, newest: float) -> None:
        """newest: latest wall-clock time of an event that was on disk already."""
        self._clock = clock
        self._wall = WallClock.fresh(clock.monotonic(), clock.wall(), newest, synchronised())
        self._due = clock.monotonic() + EVERY
        self._day = _day(clock.wall())

    @property
    def suspect(self) -> bool:
        """Whether the wall clock is not to be trusted now."""
        return self._wall.suspect

    def turn(self, now: float) -> tuple[list[Verdict], bool]:
        """What there is to tell, and whether a new day has begun at this place."""
        if now < self._due:
            return [], False
        self._due = now + EVERY
        self._wall, moved = seen(self._wall, now, self._clock.wall(), synchronised())
        before, self._day = self._day, _day(self._clock.wall())
        told = [Verdict("clock_moved", now, now, remark=moved.remark)] if moved else []
        return told, before != self._day and moved is None


def _day(wall: float) -> int:
    return datetime.fromtimestamp(wall).toordinal()
