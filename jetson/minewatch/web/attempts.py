"""Wrong logins are counted, by user and by address; after five of them each costs a wait, and the next a longer one."""

from __future__ import annotations

from dataclasses import dataclass

FREE = 5  # wrong ones before the first wait
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0  # seconds
FORGOTTEN = 3600.0  # seconds without a wrong one
MOST = 10_000  # users and addresses that are remembered


@dataclass(frozen=True)
class Count:
    """Of one user or address."""

    wrong: int
    last: float


class Attempts:
    """Its times are of the monotonic clock."""

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}

    def wait(self, keys: tuple[str, ...], now: float) -> float:
        """Seconds that must pass before the next try; 0 where it may come."""
        return max(self._wait(key, now) for key in keys)

    def wrong(self, keys: tuple[str, ...], now: float) -> None:
        """One more."""
        for key in keys:
            count = self._count(key, now)
            self._counts.pop(key, None)
            self._counts[key] = Count(count.wrong + 1, now)
        while len(self._counts) > MOST:
            self._counts.pop(next(iter(self._counts)))

    def right(self, keys: tuple[str, ...]) -> None:
        """All is forgiven."""
        for key in keys:
            self._counts.pop(key, None)

    def _wait(self, key: str, now: float) -> float:
        count = self._count(key, now)
        if count.wrong < FREE:
            return 0.0
        pause: float = min(FIRST_WAIT * 2.0 ** min(count.wrong - FREE, 20), LONGEST_WAIT)
        return max(0.0, count.last + pause - now)

    def _count(self, key: str, now: float) -> Count:
        count = self._counts.get(key)
        return count if count is not None and now - count.last <= FORGOTTEN else Count(0, now)
