"""Is the wall clock to be trusted? It is compared with the clock that nobody can set."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..clock import Clock
from ..judging.verdict import Verdict

LOOK_SECONDS = 1.0
STEP = 2.0  # seconds between two looks that no clock is slewed by
EARLIEST = 1_767_225_600.0  # 2026-01-01: nobody ran this before
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
UNSYNCHRONISED = 5  # what adjtimex answers then


@dataclass(frozen=True)
class Moved:
    """The wall clock jumped."""

    seconds: float  # forward; below 0 backward
    wall: float  # what it shows now

    @property
    def remark(self) -> str:
        """One line for people."""
        way = "forward" if self.seconds > 0 else "back"
        return f"the clock jumped {way} by {_span(abs(self.seconds))}"


@dataclass(frozen=True)
class WallClock:
    """What is known of it so far."""

    offset: float  # wall clock less monotonic, at the last look
    newest: float  # latest wall-clock time of an event that was on disk at the start
    shift: float = 0.0  # seconds that it has jumped since it was trusted
    suspect: bool = False  # not to be trusted now

    @classmethod
    def fresh(cls, monotonic: float, wall: float, newest: float, synchronised: bool) -> WallClock:
        """At the start. A clock that nobody synchronises is believed, unless it shows what cannot be."""
        history = cls(wall - monotonic, newest)
        return replace(history, suspect=not synchronised and _impossible(history, wall))


def seen(history: WallClock, monotonic: float, wall: float, synchronised: bool) -> tuple[WallClock, Moved | None]:
    """Look at both clocks, about once a second. A jump makes it suspect until it is synchronised, or set back."""
    offset = wall - monotonic
    step = offset - history.offset
    moved = Moved(step, wall) if abs(step) > STEP else None
    shift = 0.0 if synchronised else history.shift + (step if moved else 0.0)
    suspect = not synchronised and (abs(shift) > STEP or _impossible(history, wall))
    return replace(history, offset=offset, shift=shift, suspect=suspect), moved


class Wall:
    """The same, held for the loop. Trusts nothing at first but what `synchronised` says."""

    def __init__(self, clock: Clock, synchronised: Callable[[], bool] | None = None) -> None:
        self._clock, self._synchronised = clock, synchronised or machine_is_synchronised
        self._due = float("-inf")
        self.newest_is(0.0)

    def newest_is(self, newest: float) -> None:
        """Begin; events up to this wall-clock time are on disk already."""
        self._was_synchronised = self._synchronised()
        self._history = WallClock.fresh(self._clock.monotonic(), self._clock.wall(), newest, self._was_synchronised)

    @property
    def suspect(self) -> bool:
        """Whether the wall clock is not to be trusted now, a jump since the last look included."""
        return seen(self._history, self._clock.monotonic(), self._clock.wall(), self._was_synchronised)[0].suspect

    def turn(self) -> list[Verdict]:
        """Look, once a second; tells of a jump."""
        now = self._clock.monotonic()
        if now < self._due:
            return []
        self._due = now + LOOK_SECONDS
        self._was_synchronised = self._synchronised()
        self._history, moved = seen(self._history, now, self._clock.wall(), self._was_synchronised)
        return [Verdict("clock_moved", now, now, cause="jump", remark=moved.remark)] if moved else []


def machine_is_synchronised() -> bool:
    """Whether the kernel, or systemd's time service, says that the wall clock is disciplined."""
    if SYNCHRONISED.exists():
        return True
    answer = ctypes.create_string_buffer(512)  # struct timex, all zero: only asks
    return ctypes.CDLL(None).adjtimex(answer) not in (-1, UNSYNCHRONISED)


def _impossible(history: WallClock, wall: float) -> bool:
    return wall < EARLIEST or wall < history.newest - STEP


def _span(seconds: float) -> str:
    for unit, size in (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size or (unit == "hours" and seconds >= size):
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
