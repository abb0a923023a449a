"""When a backup is due, made by a thread of its own: in WAL mode a reader does not hold up the writer."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Thread

from ..clock import Clock
from .backups import due_after, make_backup
from .causes import cause_of
from .disk import free_bytes
from .opening import database, open_reader

log = logging.getLogger(__name__)

FIRST = 600.0  # seconds after the start


class BackupTurn:
    """Called often; begins a backup when it is time and there is room for it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._due = clock.monotonic() + FIRST
        self._thread: Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self.damaged = False  # the database could not be read whole

    def turn(self) -> None:
        """Begin one where it is due."""
        if self._clock.monotonic() < self._due or (self._thread and self._thread.is_alive()):
            return
        self._due = self._clock.monotonic() + due_after(self._folder)
        with suppress(OSError):
            if free_bytes(self._folder) > 2 * database(self._folder).stat().st_size:
                self._thread = Thread(target=self._make, name="backup", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Break off the one that is being made."""
        if self._connection is not None:
            self._connection.interrupt()
        if self._thread is not None:
            self._thread.join(5)

    def _make(self) -> None:
        try:
            self._connection = open_reader(self._folder)
            try:
                make_backup(self._connection, self._folder)
            finally:
                connection, self._connection = self._connection, None
                connection.close()
        except (sqlite3.Error, OSError) as exc:
            self.damaged = cause_of(exc) == "corrupt"
            log.warning("no backup of the events could be made: %s", exc)
