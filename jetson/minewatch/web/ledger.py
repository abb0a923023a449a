"""The audit as the page writes it. What strangers can cause fills no disk: refusals are written so many a minute."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress

from ..clock import Clock
from ..events.reading import Reader

MOST = 30  # refusals a minute
MINUTE = 60.0
LONGEST = 200  # characters of what a stranger may have said


class Ledger:
    """Rows of the audit table."""

    def __init__(self, store: Reader, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._began, self._written = float("-inf"), 0

    def wrote(self, action: str, who: str, remark: str = "", seq: int | None = None) -> None:
        """Raises sqlite3.Error where it cannot be written: then it must not be done either."""
        self._store.audit(action, who, remark, seq, self._clock.wall())

    def refused(self, action: str, who: str, remark: str = "") -> None:
        """Somebody was not let do something. They are not let, whether it can be written or not."""
        if self._full():
            return
        with suppress(sqlite3.Error):
            self._store.audit(action, plain(who), plain(remark), None, self._clock.wall())

    def _full(self) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            if now - self._began > MINUTE:
                self._began, self._written = now, 0
            self._written += 1
            return self._written > MOST


def plain(text: str, longest: int = LONGEST) -> str:
    """On one line, without control characters and halves of letters, so long at most."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[:4 * longest])
    return " ".join(kept.split())[:longest]
