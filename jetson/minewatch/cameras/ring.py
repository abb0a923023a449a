"""The last seconds of a stream, as the packets that came, for clips of what has just been. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .source import Coded

LATER = 5.0  # seconds kept beyond `before`: an event is known only some time after it began
MOST = 48_000_000  # bytes


@dataclass(frozen=True)
class Kept:
    """A packet, and when it came (monotonic)."""

    coded: Coded
    moment: float


class Ring:
    """Begins with a key frame, always. before: seconds to be kept, as far as `most` bytes allow."""

    def __init__(self, before: float, most: int = MOST) -> None:
        self.bytes = 0
        self._before, self._most = before, most
        self._groups: deque[list[Kept]] = deque()  # each begins with a key frame

    def add(self, kept: Kept) -> None:
        """The newest packet."""
        if kept.coded.key:
            self._groups.append([])
        if not self._groups:
            return
        self._groups[-1].append(kept)
        self.bytes += len(kept.coded.data)
        while len(self._groups) > 1 and self._groups[1][0].moment <= kept.moment - self._before - LATER:
            self._forget()
        while self._groups and self.bytes > self._most:
            self._forget()

    def since(self, moment: float) -> list[Kept]:
        """From the last key frame that came at `moment` or before it; from the oldest where none did."""
        first = 0
        for number, group in enumerate(self._groups):
            if group[0].moment <= moment:
                first = number
        return [kept for group in list(self._groups)[first:] for kept in group]

    def _forget(self) -> None:
        self.bytes -= sum(len(kept.coded.data) for kept in self._groups.popleft())
