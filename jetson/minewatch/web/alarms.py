"""The alarms that nobody has acknowledged, as every page bears them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from ..clock import Clock
from ..events.event import ENDED_BY
from ..events.reading import Reader
from ..events.records import Incident, Sought
from .board import Board

SHOWN = 3  # of them by name
UNSEEN = Sought(loud=True, acknowledged=False)
GOOD_SECONDS = 5.0  # for which an answer is good while the store has no newer event


@dataclass(frozen=True)
class Unseen:
    """The newest few, and how many there are."""

    newest: tuple[Incident, ...] = ()
    count: int = 0
    readable: bool = True  # False: the store cannot be read

    @property
    def seq(self) -> int:
        """Number of the newest; a page that hears of a higher one sounds."""
        return self.newest[0].began.seq if self.newest else 0


class Alarms:
    """Asks the store; not more often than there can be something new."""

    def __init__(self, board: Board, store: Reader, clock: Clock) -> None:
        self._board, self._store, self._clock = board, store, clock
        self._known: tuple[int, float, Unseen] = (-1, float("-inf"), Unseen())

    async def now(self) -> Unseen:
        """As they are now. Never an error: the page has to show the cameras whatever the disk does."""
        seq, at, unseen = self._known
        newest = self._board.news.status.storage.seq if self._board.news else 0
        now = self._clock.monotonic()
        if seq != newest or now - at > GOOD_SECONDS:
            unseen = await run_in_threadpool(self._asked)
            self._known = newest, now, unseen
        return unseen

    def changed(self) -> None:
        """Somebody has acknowledged one."""
        self._known = (-1, float("-inf"), Unseen())

    def _asked(self) -> Unseen:
        try:
            found = self._store.incidents(UNSEEN, None, SHOWN)
            if len(found) < SHOWN:
                return Unseen(tuple(found), len(found))
            counts = self._store.counts(UNSEEN)
            return Unseen(tuple(found), sum(counts.get(kind, 0) for kind in ENDED_BY))
        except sqlite3.Error:
            return Unseen(readable=False)
