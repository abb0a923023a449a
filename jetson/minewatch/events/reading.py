"""The store, as others than the watch itself see it: the page, the sinks, the commands."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from typing import Any
from weakref import WeakSet

from .event import Event, Kept
from .opening import database, no_store, open_guest, open_reader
from .records import Audit, Incident, Media, Sought
from .seeking import ACKNOWLEDGED, ENDED, condition
from .transaction import transaction

EVERY = Sought()
_readers: WeakSet[Reader] = WeakSet()  # of this process
_adding = Lock()


class Reader:
    """Reads from a connection of its own, and writes the few things that others than the watch may write.

    Threads may share one. Every method raises sqlite3.Error where the database cannot be read now, or written
    within five seconds. A context manager.
    """

    def __init__(self, folder: Path, connect: Callable[[Path], Any] = open_reader) -> None:
        self._folder = folder
        self._connect = connect
        self._lock = RLock()
        self._connection: Any = None
        self._file: tuple[int, int] | None = None
        with _adding:
            _readers.add(self)

    def after(self, seq: int, limit: int = 1000, sought: Sought = EVERY) -> list[Kept]:
        """The events that follow number `seq`, in order."""
        where, values = condition(sought)
        return self._events(f"WHERE e.seq > ?{where} ORDER BY e.seq LIMIT ?", seq, *values, limit)

    def latest(self, limit: int = 50, before: int | None = None, sought: Sought = EVERY) -> list[Kept]:
        """The newest events, newest first; with `before`, those with smaller numbers than that."""
        where, values = condition(sought)
        return self._events(f"WHERE e.seq < ?{where} ORDER BY e.seq DESC LIMIT ?", _top(before), *values, limit)

    def event(self, seq: int) -> Kept | None:
        """The event of that number."""
        return next(iter(self._events("WHERE e.seq = ?", seq)), None)

    def incidents(self, sought: Sought = EVERY, before: int | None = None, limit: int = 50) -> list[Incident]:
        """Events that open something, newest first, with all that is known of them; `before` as in `latest`."""
        where, values = condition(sought)
        return [self._incident(kept) for kept in self._events(
            f"WHERE e.opens = 1 AND e.seq < ?{where} ORDER BY e.seq DESC LIMIT ?", _top(before), *values, limit)]

    def incident(self, seq: int) -> Incident | None:
        """The incident that the event of that number opened."""
        kept = self.event(seq)
        return self._incident(kept) if kept and kept.event.opens else None

    def open_incidents(self) -> list[Kept]:
        """Opening events whose end has not been written, oldest first."""
        return self._events(f"WHERE e.opens = 1 AND NOT {ENDED} ORDER BY e.seq")

    def newest(self) -> Kept | None:
        """The event with the highest number."""
        return next(iter(self.latest(1)), None)

    def newest_time(self) -> float:
        """The latest time that any event bears whose clock was trusted; 0 where there is none."""
        return float(self._row("SELECT coalesce(max(time), 0) FROM events WHERE suspect = 0")[0])

    def counts(self, sought: Sought = EVERY) -> dict[str, int]:
        """How many events there are of each kind."""
        where, values = condition(sought)
        return dict(self._rows(f"SELECT e.kind, count(*) FROM events AS e WHERE 1{where} GROUP BY e.kind", *values))

    def unacknowledged(self) -> int:
        """How many incidents nobody has acknowledged."""
        return int(self._row(f"SELECT count(*) FROM events AS e WHERE e.opens = 1 AND NOT {ACKNOWLEDGED}")[0])

    def media_of(self, seq: int) -> tuple[Media, ...]:
        """Snapshot and clip of an event."""
        return tuple(Media(*row) for row in self._rows(
            "SELECT seq, kind, state, path, bytes FROM media WHERE seq = ? ORDER BY kind DESC", seq))

    def audits(self, seq: int | None = None, limit: int = 100, before: int | None = None) -> list[Audit]:
        """Audit rows, newest first; those of one event where `seq` is given."""
        where, values = ("AND seq = ?", [seq]) if seq is not None else ("", [])
        return [Audit(*row) for row in self._rows(
            f"SELECT number, time, who, action, seq, remark FROM audit WHERE number < ? {where} "
            "ORDER BY number DESC LIMIT ?", _top(before), *values, limit)]

    def cursor(self, sink: str) -> int:
        """Number of the last event that a sink has confirmed; 0 for a new one."""
        row = self._rows("SELECT seq FROM cursors WHERE sink = ?", sink)
        return int(row[0][0]) if row else 0

    def knows(self, sink: str) -> bool:
        """Whether a sink has ever confirmed anything: one that stands at 0 is not a new one."""
        return bool(self._rows("SELECT 1 FROM cursors WHERE sink = ?", sink))

    def confirm(self, sink: str, seq: int) -> None:
        """A sink has all events up to number `seq`. It never goes back."""
        with self._writing() as connection:
            connection.execute("INSERT INTO cursors VALUES (?, ?) ON CONFLICT (sink) DO UPDATE "
                               "SET seq = max(seq, excluded.seq)", (sink, seq))

    def acknowledge(self, seq: int, who: str, remark: str = "", when: float | None = None) -> bool:
        """Somebody has seen the incident that event `seq` opened. False where that event opened none."""
        kept = self.event(seq)
        if kept is None or not kept.event.opens:
            return False
        self.audit("acknowledged", who, remark, seq, when)
        return True

    def audit(self, action: str, who: str, remark: str = "", seq: int | None = None,
              when: float | None = None) -> None:
        """Write down who did what; `when` is now, by the wall clock, where it is not told."""
        row = (time.time() if when is None else when, who, action, seq, remark)
        with self._writing() as connection:
            connection.execute("INSERT INTO audit (time, who, action, seq, remark) VALUES (?, ?, ?, ?, ?)", row)

    def is_of(self, folder: Path) -> bool:
        """Whether this folder's store is read."""
        return self._folder == folder

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _incident(self, began: Kept) -> Incident:
        ends = self._events("WHERE e.incident = ? AND e.incident != '' AND e.opens = 0 ORDER BY e.seq LIMIT 1",
                            began.event.incident)
        seen = self._rows("SELECT number, time, who, action, seq, remark FROM audit "
                          "WHERE seq = ? AND action = 'acknowledged' ORDER BY number LIMIT 1", began.seq)
        return Incident(began, ends[0] if ends else None, self.media_of(began.seq), Audit(*seen[0]) if seen else None)

    def _events(self, tail: str, *values: Any) -> list[Kept]:
        return [Kept(seq, event_of(text)) for seq, text in
                self._rows(f"SELECT e.seq, e.event FROM events AS e {tail}", *values)]

    def _row(self, text: str, *values: Any) -> Sequence[Any]:
        row: Sequence[Any] = self._rows(text, *values)[0]
        return row

    def _rows(self, text: str, *values: Any) -> list[Any]:
        with self._lock:
            return list(self._connected().execute(text, values).fetchall())

    def _connected(self) -> Any:
        """The connection, another one when the database has been put aside and begun anew."""
        if self._connection is None or self._file != _file_of(self._folder):
            self.close()
            before = _file_of(self._folder)
            self._connection = self._connect(self._folder)
            self._file = before or _file_of(self._folder)  # where it was exchanged meanwhile, the next call sees it
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """A connection inside a transaction."""
        with self._lock, open_guest(self._folder) as connection, transaction(connection):
            yield connection


def let_go(folder: Path) -> None:
    """Close the connections of this process's readers; each opens another when it is asked next.

    What SQLite opened on a read-only disk stays read-only for a whole process, for as long as one connection is open:
    nobody could write when the disk is mended.
    """
    with _adding:
        found = [reader for reader in _readers if reader.is_of(folder)]
    for reader in found:
        reader.close()


def read_store(folder: Path) -> Reader:
    """A reader of a store that must be there. Raises MineHatError where it is not."""
    if not database(folder).is_file():
        raise no_store(folder)
    return Reader(folder)


def _file_of(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(database(folder))
    except OSError:
        return None
    return found.st_dev, found.st_ino


def event_of(text: str) -> Event:
    """The event that a row holds."""
    told = json.loads(text)
    told["box"] = tuple(told["box"]) if told["box"] else None
    return Event(**told)


def _top(before: int | None) -> int:
    return 1 << 62 if before is None else before
