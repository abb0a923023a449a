"""How often something happens, over the last few seconds."""

from __future__ import annotations

from collections import deque

WINDOW = 5.0  # seconds


class Rate:
    """Counts moments of a monotonic clock."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def count(self, now: float, times: int = 1) -> None:
        """It happened, so many times."""
        self._moments.extend([now] * times)
        self._forget(now)

    def per_second(self, now: float) -> float:
        """Of the last WINDOW seconds."""
        self._forget(now)
        return len(self._moments) / WINDOW

    def _forget(self, now: float) -> None:
        while self._moments and self._moments[0] <= now - WINDOW:
            self._moments.popleft()
