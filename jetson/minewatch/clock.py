"""Time, asked in one place, so that a test can turn it by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that people set, and one that only goes forward."""

    def monotonic(self) -> float:
        """Seconds that nobody can set; every deadline, cool-down and age is of this one."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, UTC. It may jump; only what people read is of this one."""
        ...


class SystemClock:
    """The machine's own."""

    def monotonic(self) -> float:
        """Seconds since some moment of this boot."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()
