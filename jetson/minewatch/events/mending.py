"""A database that cannot be read is put aside; the newest backup, or a fresh one, takes its place."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from .backups import make_backup, sound_ones
from .causes import cause_of
from .disk import flush
from .high_mark import HighMark
from .migrations import version_of
from .opening import FILE_MODE, database, ready_state, swap_lock
from .salvage import salvage
from .store import Store

ASIDE = ".corrupt-"
ASIDE_KEPT = 2


@dataclass(frozen=True)
class Mended:
    """What was done about a damaged database."""

    aside: Path | None  # where it lies now; None where there was none any more
    restored: Path | None  # the backup that took its place; None for a fresh one
    saved: int  # events that were read out of the damaged one
    missing: int  # between those
    last: int  # highest number of an event that is there
    skipped_to: int  # numbers after `last` up to this one are lost

    @property
    def text(self) -> str:
        """One line for people."""
        kept = f"is kept as {self.aside.name}" if self.aside else "was gone"
        came = f"the backup {self.restored.name}" if self.restored else "a fresh one"
        saved = f", {self.saved} events were read out of the damaged one" if self.saved else ""
        saved += f" and {self.missing} between them were not" if self.missing else ""
        lost = f"; events {self.last + 1} to {self.skipped_to} at most are lost" if self.skipped_to > self.last else ""
        return f"the database of events was damaged and {kept}; {came} took its place{saved}{lost}"


def open_sound(folder: Path, mark: HighMark, wall: float) -> tuple[Store, Mended | None]:
    """The store, read whole before it is trusted, mended where that fails.

    wall: seconds since 1970, for the name of what is put aside. Raises sqlite3.Error or OSError where the disk
    refuses, MineHatError where a newer minewatch wrote the database.
    """
    ready_state(folder)
    if mark.promised and _is_empty(database(folder)):
        return mend(folder, mark, wall)
    try:
        return _checked(folder), None
    except sqlite3.Error as exc:
        if cause_of(exc) != "corrupt":
            raise
    return mend(folder, mark, wall)


def mend(folder: Path, mark: HighMark, wall: float) -> tuple[Store, Mended]:
    """Put the database aside and begin with the newest backup that can be read. No connection of ours is open."""
    with swap_lock(folder, fcntl.LOCK_EX):
        aside = _put_aside(folder, wall)
        restored = _restore(folder)
        store = _migrated(folder)
    try:
        restored_to = store.highest()
        saved = salvage(aside, store) if aside else 0
        last = store.highest()
        if mark.promised > last:
            store.skip_to(mark.promised)
    except BaseException:
        store.close()
        raise
    return store, Mended(aside, restored, saved, last - restored_to - saved, last, max(last, mark.promised))


def _checked(folder: Path) -> Store:
    store = _migrated(folder)
    try:
        if not store.is_sound():
            raise sqlite3.DatabaseError("database disk image is malformed")
    except BaseException:
        store.close()
        raise
    return store


def _migrated(folder: Path) -> Store:
    return Store.writer(folder, lambda connection: make_backup(connection, folder, f"-v{version_of(connection)}"))


def _put_aside(folder: Path, wall: float) -> Path | None:
    path = database(folder)
    stamp = datetime.fromtimestamp(wall, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside, count = path.with_name(f"{path.name}{ASIDE}{stamp}"), 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}{ASIDE}{stamp}-{count}")
    found = path.exists()
    for tail in ("", "-wal", "-shm"):
        part = path.with_name(path.name + tail)
        if part.exists():
            os.rename(part, aside.with_name(aside.name + tail))
    whole = [one for one in folder.glob(f"{path.name}{ASIDE}*") if not one.name.endswith(("-wal", "-shm"))]
    for old in sorted(whole, key=lambda one: one.stat().st_mtime_ns)[:-ASIDE_KEPT]:
        for tail in ("", "-wal", "-shm"):
            old.with_name(old.name + tail).unlink(missing_ok=True)
    return aside if found else None


def _restore(folder: Path) -> Path | None:
    for backup in sound_ones(folder):
        scratch = database(folder).with_name(".events.db.tmp")
        try:
            shutil.copyfile(backup, scratch)
            os.chmod(scratch, FILE_MODE)
            flush(scratch)
            os.replace(scratch, database(folder))
            flush(folder)
        finally:
            scratch.unlink(missing_ok=True)
        return backup
    return None


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True
