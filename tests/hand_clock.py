"""A clock that tests turn by hand."""

from __future__ import annotations

NOON = 1_795_348_800.0  # 2026-11-22 12:00:00 UTC


class HandClock:
    """Goes only when it is turned, either hand by itself or both together."""

    def __init__(self, now: float = 1000.0, wall: float = NOON) -> None:
        self.now, self.day = now, wall

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.day

    def go(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.day += seconds
