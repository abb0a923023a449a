"""Copies of the database, made while the watch goes on, for the day when it cannot be read any more."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from minehat.files import make_folder

from .disk import flush
from .opening import FILE_MODE, FOLDER_MODE, database

FOLDER = "backups"
KEPT = 3
DAY = 86400.0
BYTES_A_DAY = 20e6  # that backups may write on the average; a flash disk wears
SOUND = "PRAGMA quick_check(1)"


def make_backup(connection: Any, folder: Path, mark: str = "") -> Path:
    """A whole copy of what `connection` sees; older ones beyond the newest three go. The caller's thread waits.

    Raises sqlite3.Error or OSError where there is no room; nothing half-made is left.
    """
    seq = int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
    home = folder / FOLDER
    make_folder(home)
    os.chmod(home, FOLDER_MODE)
    path, scratch = home / f"events-{seq:012d}{mark}.db", home / ".events.tmp"
    scratch.unlink(missing_ok=True)
    try:
        os.close(os.open(scratch, os.O_CREAT | os.O_WRONLY, FILE_MODE))
        connection.execute("VACUUM INTO ?", (str(scratch),))
        flush(scratch)  # SQLite does not, for such a copy
        os.replace(scratch, path)
        flush(home)
    finally:
        scratch.unlink(missing_ok=True)
    for old in newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def newest_first(folder: Path) -> list[Path]:
    """The backups that are there, by the number of their last event: clocks jump."""
    return sorted((folder / FOLDER).glob("events-*.db"), reverse=True)


def sound_ones(folder: Path) -> Iterator[Path]:
    """Those that can be read whole, newest first."""
    for path in newest_first(folder):
        with suppress(sqlite3.Error), closing(_opened(path)) as connection:
            if is_sound(connection):
                yield path


def is_sound(connection: Any) -> bool:
    """Whether the database can be read whole. Raises sqlite3.Error where it is none."""
    return bool(connection.execute(SOUND).fetchall() == [("ok",)])


def due_after(folder: Path) -> float:
    """Seconds between two backups: a day, longer where the database is large."""
    try:
        return max(1.0, database(folder).stat().st_size / BYTES_A_DAY) * DAY
    except OSError:
        return DAY


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?immutable=1", uri=True)
