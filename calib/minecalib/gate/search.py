"""Which layers must be lifted: from the most suspected on until it holds, then back whatever was not needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Holds = Callable[[frozenset[str]], bool]  # is the loss within the budget with these layers lifted?
MOST_TRIES = 80


def fewest(suspects: Sequence[str], holds: Holds) -> frozenset[str] | None:
    """A set of layers with which it holds, none of which can be spared; None where even all do not help.

    suspects: all layers, the most suspected first. `holds` is asked about each set once. It is not asked about
    more than MOST_TRIES sets; what is found by then is given, and may hold one or the other layer too many.
    """
    asked = _Asked(holds)
    count = _enough(suspects, asked)
    return None if count is None else frozenset(_spared(list(suspects[:count]), asked))


class _Asked:
    """Remembers the answers."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self._known: dict[frozenset[str], bool] = {}

    @property
    def tired(self) -> bool:
        return len(self._known) >= MOST_TRIES

    def __call__(self, lifted: Sequence[str]) -> bool:
        key = frozenset(lifted)
        if key not in self._known:
            self._known[key] = self._holds(key)
        return self._known[key]


def _enough(suspects: Sequence[str], holds: Callable[[Sequence[str]], bool]) -> int | None:
    """How many of the first suffice: doubled until it holds, then halved between. None where all do not."""
    low, high = -1, 0  # it holds with `high`, not with `low`
    while not holds(suspects[:high]):
        if high == len(suspects):
            return None
        low, high = high, min(max(1, 2 * high), len(suspects))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(suspects[:middle]) else (middle, high)
    return high


def _spared(lifted: list[str], holds: _Asked) -> list[str]:
    """Give back in ever smaller groups, the least suspected first, what is not needed."""
    size = len(lifted) // 2
    while size:
        for start in range(len(lifted) - size, -1, -size):
            without = lifted[:start] + lifted[start + size:]
            if not holds.tired and holds(without):
                lifted = without
        size = min(size // 2, len(lifted))
    return lifted
