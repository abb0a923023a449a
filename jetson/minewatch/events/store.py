"""The store of events: one SQLite database, written by one thread of the watch, read by everybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .event import Event, Kept
from .migrations import migrate
from .opening import open_owner, ready_state
from .reading import Reader
from .records import Media, MediaState, media_path
from .seeking import ACKNOWLEDGED, ENDED
from .transaction import transaction


class Store(Reader):
    """The owner's: what an append returns is on disk, numbered without a gap. A context manager.

    Two processes never own one store: see `lock`. The rest is as in Reader.
    """

    def __init__(self, folder: Path, connect: Callable[[Path], Any] = open_owner) -> None:
        super().__init__(folder, connect)

    @staticmethod
    def reader(folder: Path) -> Reader:
        """For other processes and threads."""
        return Reader(folder)

    @classmethod
    def writer(cls, folder: Path, before: Callable[[Any], object] = lambda connection: None) -> Store:
        """Open the store, made or brought to today's schema where needed; `before` as in `migrate`.

        Raises sqlite3.Error, OSError, or MineHatError where a newer minewatch wrote it.
        """
        ready_state(folder)
        store = cls(folder)
        try:
            migrate(store._connected(), before)
        except BaseException:
            store.close()
            raise
        return store

    def append(self, event: Event) -> Kept:
        """Write one event. When this returns it survives a power cut; raises sqlite3.Error when it could not."""
        return self.append_all([event])[0]

    def append_all(self, events: Sequence[Event], pictured: Container[str] = ()) -> list[Kept]:
        """Write all of them or none; those whose ids are `pictured` with a snapshot that is coming.

        An event whose id is there already keeps the number that it has: an append may be tried again.
        """
        with self._writing() as connection:
            top = self.highest()
            return [self._inserted(connection, event, top, event.id in pictured) for event in events]

    def is_sound(self) -> bool:
        """Read the whole database and tell whether it holds together."""
        return self._rows("PRAGMA quick_check(1)") == [("ok",)]

    def highest(self) -> int:
        """The highest number that was ever given, rows that have gone included."""
        return int(self._row("SELECT max((SELECT coalesce(max(seq), 0) FROM events), "
                             "(SELECT coalesce(max(value), 0) FROM meta WHERE name = 'highest'))")[0])

    def skip_to(self, seq: int) -> None:
        """Give no number up to `seq` from now on."""
        with self._writing() as connection:
            connection.execute("INSERT INTO meta VALUES ('highest', ?) ON CONFLICT (name) DO UPDATE "
                               "SET value = max(value, excluded.value)", (seq,))

    def set_media(self, media: Media) -> None:
        """Write down how a snapshot or clip stands now."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO media (seq, kind, state, path, bytes) VALUES (?, ?, ?, ?, ?)",
                               (media.seq, media.kind, media.state, media.path, media.bytes))

    def media_in(self, state: MediaState) -> list[Media]:
        """Media that stand so, oldest first."""
        return [Media(*row) for row in self._rows(
            "SELECT seq, kind, state, path, bytes FROM media WHERE state = ? ORDER BY seq", state)]

    def media_bytes(self) -> int:
        """What the kept media weigh together."""
        return int(self._row("SELECT coalesce(sum(bytes), 0) FROM media WHERE state = 'kept'")[0])

    def oldest_media(self, limit: int) -> list[Media]:
        """Kept media, oldest first; those of incidents that are open and that nobody has acknowledged come last."""
        needed = f"e.opens = 1 AND NOT {ENDED} AND NOT {ACKNOWLEDGED}"
        found: list[Media] = []
        for which in ("NOT ", ""):
            if len(found) < limit:
                found += [Media(*row) for row in self._rows(
                    "SELECT m.seq, m.kind, m.state, m.path, m.bytes FROM media AS m JOIN events AS e ON e.seq = m.seq "
                    f"WHERE m.state = 'kept' AND {which}({needed}) ORDER BY m.seq LIMIT ?", limit - len(found))]
        return found

    def forget(self, before: float, now: float, most: int) -> list[Media]:
        """Delete at most so many of the oldest events, written before the first that bears a time between the two.

        before, now: wall clock. Times beyond `now` are of a clock that was wrong. Returns their media.
        """
        with self._writing() as connection:
            top = int(self._row("SELECT coalesce(min(seq), 0) FROM events WHERE time BETWEEN ? AND ?",
                                before, now)[0])
            rows = self._rows("SELECT seq FROM events WHERE seq < ? ORDER BY seq LIMIT ?", top, most)
            if not rows:
                return []
            last = rows[-1][0]
            media = [Media(*row) for row in self._rows(
                "SELECT seq, kind, state, path, bytes FROM media WHERE seq <= ? AND path IS NOT NULL", last)]
            connection.execute("DELETE FROM media WHERE seq <= ?", (last,))
            connection.execute("DELETE FROM events WHERE seq <= ?", (last,))
            return media

    def take(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> int:
        """Take over rows of another store where they fit; returns how many did."""
        marks, count = ", ".join("?" * len(columns.split(","))), 0
        with self._writing() as connection:
            for row in rows:
                count += connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row).rowcount
        return count

    def top(self, table: str, key: str) -> int:
        """The highest key of a table."""
        return int(self._row(f"SELECT coalesce(max({key}), 0) FROM {table}")[0])

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        with self._lock:
            connection = self._connected()
            with transaction(connection):
                yield connection

    def _inserted(self, connection: Any, event: Event, top: int, pictured: bool) -> Kept:
        known = self._rows("SELECT seq FROM events WHERE id = ?", event.id)
        if known:
            return Kept(known[0][0], event)
        seq = max(top, int(self._row("SELECT coalesce(max(seq), 0) FROM events")[0])) + 1
        connection.execute(
            "INSERT INTO events (seq, id, kind, camera, zone, time, suspect, loud, opens, incident, event) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, event.id, event.kind, event.camera, event.zone, event.time, int(event.clock_suspect),
             int(event.loud), int(event.opens), event.incident, json.dumps(asdict(event), ensure_ascii=False)))
        kept = Kept(seq, event)
        if pictured:
            connection.execute("INSERT INTO media (seq, kind, state, path, bytes) "
                               "VALUES (?, 'snapshot', 'coming', ?, 0)", (seq, media_path(kept, "snapshot")))
        return kept
