"""What can still be read out of a damaged database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .reading import event_of
from .store import Store

COLUMNS = {"events": "seq, id, kind, camera, zone, time, suspect, loud, opens, incident, event",
           "audit": "number, time, who, action, seq, remark",
           "media": "seq, kind, state, path, bytes"}
KEYS = {"events": "seq", "audit": "number", "media": "seq"}


def salvage(damaged: Path, store: Store) -> int:
    """Take over the rows after those that the store has; returns how many events came. The damaged file stays.

    Raises sqlite3.Error where the store does not take them.
    """
    known = store.top("events", "seq")
    count = store.take("events", COLUMNS["events"],
                       (row for row in _readable(damaged, "events", known) if _is_event(row)))
    for table in ("audit", "media"):
        after = known if table == "media" else store.top(table, KEYS[table])
        store.take(table, COLUMNS[table], _readable(damaged, table, after))
    return count


def _readable(damaged: Path, table: str, after: int) -> Iterator[tuple[Any, ...]]:
    """Rows in order up to the first page that cannot be read, then from the end back to the last such page."""
    seen: set[Any] = set()
    for way in ("ASC", "DESC"):
        with suppress(sqlite3.Error), closing(_opened(damaged)) as connection:
            for row in connection.execute(f"SELECT {COLUMNS[table]} FROM {table} NOT INDEXED WHERE {KEYS[table]} > ? "
                                          f"ORDER BY {KEYS[table]} {way}", (after,)):
                if way == "DESC" and row[:2] in seen:
                    break
                seen.add(row[:2])
                yield row


def _is_event(row: tuple[Any, ...]) -> bool:
    """Whether what was read is an event, and the one that its columns tell of."""
    try:
        event = event_of(row[-1])
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return (event.id, event.kind, event.time) == (row[1], row[2], row[5])


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    connection.execute("PRAGMA writable_schema = ON")  # else SQLite reads nothing of a file that is too short
    return connection
