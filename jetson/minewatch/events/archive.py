"""The disk's side of the recorder: the store, its faults and their cure. One thread calls it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from pathlib import Path

from minehat.errors import MineHatError

from ..clock import Clock
from ..config.schema import KeepPart
from .backup_turn import BackupTurn
from .causes import cause_of
from .disk import free_bytes, is_read_only
from .event import Event, Kept
from .high_mark import HighMark
from .mending import mend, open_sound
from .probe import Probe
from .reading import let_go
from .reserve import BYTES, ROOM, Reserve
from .shelf import Shelf
from .standing import Standing
from .store import Store

REOPEN_SECONDS = 2.0
ROOM_SECONDS = 2.0
PROBE_SECONDS = 5.0
OF_THE_QUERY = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)


class Archive:
    """Events are committed, faults of the disk outlived; media are the shelf's.

    announce: takes the events that tell of the storage itself. suspect: as in Standing. Nothing raises but a
    MineHatError at the start, of what only a person can mend.
    """

    def __init__(self, folder: Path, keep: KeepPart, clock: Clock, announce: Callable[[Event], None],
                 suspect: Callable[[], bool]) -> None:
        self._folder, self._clock = folder, clock
        self.standing = Standing(clock, announce, suspect)
        self.store: Store | None = None
        self._probe: Probe | None = None
        self._damaged = False  # somebody met a page that cannot be read
        self.stuck = False  # the last commit was refused
        self.seq = 0
        self.free_bytes = 0
        self.shelf = Shelf(folder, keep, clock, suspect)
        self._mark = HighMark(folder)
        self._reserve = Reserve(folder)
        self._backup = BackupTurn(folder, clock)
        self._due = {"reopen": 0.0, "room": 0.0, "probe": clock.monotonic() + PROBE_SECONDS}
        self._open()

    def commit(self, events: Sequence[Event], pictured: Container[str]) -> list[Kept] | None:
        """Write all of them; None where the disk does not take them now. Then they are to be tried again."""
        kept = self._commit(events, pictured)
        if kept is None and self.standing.cause == "full" and self._reserve.release():
            kept = self._commit(events, pictured)
        if kept is None and self._damaged:
            self._mend()
            kept = self._commit(events, pictured)
        if kept is not None and not self._damaged and self.standing.cause not in (None, "full"):
            self.standing.is_well()
        self.stuck = kept is None
        return kept

    def tend(self) -> None:
        """What is to be done now and then: try again, see whether there is room, thin out, back up."""
        if self._is_due("room", ROOM_SECONDS):
            self._look_for_room()
        if self.store is None:
            if self._is_due("reopen", REOPEN_SECONDS):
                self._reopen()
            return
        if self._is_damaged():
            self._mend()
        if self.store is not None:
            self.guarded(self.shelf.tend)
            self._backup.turn()

    def guarded(self, work: Callable[[Store], None]) -> bool:
        """Do something with the store and the disk; what goes wrong becomes the standing. Whether it went well."""
        if self.store is None:
            return False
        try:
            work(self.store)
        except OF_THE_QUERY:
            raise
        except sqlite3.Error as exc:
            self._failed(exc)
            return False
        except (OSError, MineHatError) as exc:  # of a picture: events may well be written
            if cause_of(exc) == "full":
                self.standing.fails("full")
            elif self.standing.cause is None:  # else it is known what is wrong
                self.shelf.text = f"a picture cannot be kept: {exc}"
            return False
        return True

    def close(self) -> None:
        """Let go of everything."""
        self._backup.stop()
        self._close_store()

    def _open(self) -> None:
        self._mark = HighMark(self._folder)
        try:
            self.store, mended = open_sound(self._folder, self._mark, self._clock.wall())
        except (sqlite3.Error, OSError) as exc:
            self._failed(exc)
            return
        if mended:
            self.standing.fails("corrupt", mended.text)
        self._begin()

    def _reopen(self) -> None:
        let_go(self._folder)
        try:
            self._open()
        except MineHatError as exc:
            self.standing.fails(cause_of(exc), str(exc))

    def _begin(self) -> None:
        def look(store: Store) -> None:
            self.seq = store.highest()
            self._probe = Probe(self._folder)
            self.standing.resume(store.open_incidents())
            self.shelf.begin(store)
        if not self.guarded(look):
            return
        try:
            self._reserve.take()
        except OSError as exc:
            self.standing.fails(cause_of(exc))
        if self.standing.cause is None:
            self.standing.is_well()

    def _commit(self, events: Sequence[Event], pictured: Container[str]) -> list[Kept] | None:
        kept: list[Kept] = []

        def write(store: Store) -> None:
            self._mark.cover(self.seq + len(events))
            kept.extend(store.append_all(events, pictured))
        if not self.guarded(write):
            return None
        self.seq = kept[-1].seq
        return kept

    def _failed(self, exc: Exception) -> None:
        cause = cause_of(exc)
        if cause == "disk" and is_read_only(self._folder):  # SQLite then has other words for it
            cause = "readonly"
        self.standing.fails(cause)
        self._damaged = self._damaged or cause == "corrupt"
        if cause in ("readonly", "disk"):
            self._close_store()

    def _mend(self) -> None:
        """Begin again with a backup."""
        self._close_store()
        self._damaged = self._backup.damaged = False
        try:
            self.store, mended = mend(self._folder, self._mark, self._clock.wall())
        except (sqlite3.Error, OSError) as exc:
            self._failed(exc)
            return
        self.standing.fails("corrupt", mended.text)
        self._begin()

    def _is_damaged(self) -> bool:
        due = self._is_due("probe", PROBE_SECONDS)
        return self._damaged or self._backup.damaged or bool(due and self._probe and self._probe.finds_damage())

    def _look_for_room(self) -> None:
        with suppress(OSError):
            self.free_bytes = free_bytes(self._folder)
            waited = self._clock.monotonic() - self.standing.since >= ROOM_SECONDS
            needed = ROOM + (0 if self._reserve.held else BYTES)
            if self.standing.cause == "full" and waited and self.free_bytes >= needed:
                self._reserve.take()
                self.standing.is_well()

    def _is_due(self, what: str, seconds: float) -> bool:
        now = self._clock.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + seconds
        return True

    def _close_store(self) -> None:
        if self.store is not None:
            with suppress(sqlite3.Error):
                self.store.close()
            self.store = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None
