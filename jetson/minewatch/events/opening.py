"""Connections to the store's database: who may do what, and what the disk must have done before a commit returns."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from minehat.errors import MineHatError
from minehat.files import make_folder

DATABASE = "events.db"
SWAP = "events.lock"  # shared while a guest writes, held alone while a damaged database is put aside
FOLDER_MODE, FILE_MODE = 0o750, 0o640
BUSY_SECONDS = 5.0
SETTINGS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",  # a commit that returned survives a power cut
            "PRAGMA wal_autocheckpoint = 64", "PRAGMA journal_size_limit = 1000000")


def database(folder: Path) -> Path:
    """Where it lies."""
    return folder / DATABASE


def ready_state(folder: Path) -> None:
    """Make the state folder, for its owner and group alone. Raises MineHatError where that cannot be."""
    if not folder.is_dir():
        make_folder(folder)
        os.chmod(folder, FOLDER_MODE)


def open_owner(folder: Path) -> sqlite3.Connection:
    """Read and write, made where it is absent. Raises sqlite3.Error."""
    path = database(folder)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE))  # -wal and -shm get the same mode from SQLite
        os.chmod(path, FILE_MODE)
    return _opened(path, "rw")


def open_reader(folder: Path) -> sqlite3.Connection:
    """Read only. Raises sqlite3.Error where there is no database."""
    return _opened(database(folder), "ro")


@contextmanager
def open_guest(folder: Path) -> Iterator[sqlite3.Connection]:
    """Read and write for a moment, beside the owner; the database is not put aside meanwhile.

    SQLite deletes the log by its name when the last connection of a database closes. A guest that kept its
    connection over such a change would delete the new database's log.
    """
    with swap_lock(folder, fcntl.LOCK_SH), closing(_opened(database(folder), "rw")) as connection:
        yield connection


@contextmanager
def swap_lock(folder: Path, how: int) -> Iterator[None]:
    """Hold the lock on the database's name, LOCK_SH or LOCK_EX."""
    handle = os.open(folder / SWAP, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, timeout=BUSY_SECONDS,
                                 isolation_level=None, check_same_thread=False)
    try:
        for setting in SETTINGS if mode == "rw" else ():
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


def no_store(folder: Path) -> MineHatError:
    """The error for a folder without a store."""
    return MineHatError(f"{database(folder)}: there are no events here. Name the state folder of a watch that has "
                        "run, the one that `state:` of its configuration names.")
