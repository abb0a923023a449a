"""The store of events: one SQLite database, written by one thread of the watch, read by everybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .event import Event, Kept
from .migrations import migrate
from .opening import open_owner, ready_state
from .reading import Reader
from .records import Media, MediaState
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
    def writer(cls, folder: Path, before: Callable[[int], None] = lambda version: None) -> Store:
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

    def append_all(self, events: Sequence[Event]) -> list[Kept]:
        """Write all of them or none. An event whose id is there already keeps the number that it has."""
        with self._writing() as connection:
            top = self.highest()
            return [self._inserted(connection, event, top) for event in events]

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

    def media_in(self, state: MediaState, limit: int = 1 << 62) -> list[Media]:
        """Media that stand so, oldest first."""
        return [Media(*row) for row in self._rows(
            "SELECT seq, kind, state, path, bytes FROM media WHERE state = ? ORDER BY seq LIMIT ?", state, limit)]

    def media_bytes(self) -> int:
        """What the kept media weigh together."""
        return int(self._row("SELECT coalesce(sum(bytes), 0) FROM media WHERE state = 'kept'")[0])

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        with self._lock:
            connection = self._connected()
            with transaction(connection):
                yield connection

    def _inserted(self, connection: Any, event: Event, top: int) -> Kept:
        known = self._rows("SELECT seq FROM events WHERE id = ?", event.id)
        if known:
            return Kept(known[0][0], event)
        seq = max(top, int(self._row("SELECT coalesce(max(seq), 0) FROM events")[0])) + 1
        connection.execute(
            "INSERT INTO events (seq, id, kind, camera, zone, time, loud, opens, incident, event) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (seq, event.id, event.kind, event.camera, event.zone, event.time, int(event.loud), int(event.opens),
             event.incident, json.dumps(asdict(event), ensure_ascii=False)))
        return Kept(seq, event)
