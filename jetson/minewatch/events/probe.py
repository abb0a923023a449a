"""Is the database's file still what it was? Asked every few seconds: pages in memory would hide a damage for long."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from .causes import cause_of
from .opening import database
from .reading import Reader

MAGIC = b"SQLite format 3\0"


class Probe:
    """Of one file; open until the database's owner has closed it. To close a file ends all locks that this process
    holds on it, so that nobody may just open and read it in between. Raises OSError where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle = os.open(database(folder), os.O_RDONLY | os.O_CLOEXEC)
        self._largest = 0

    def finds_damage(self) -> bool:
        """Whether it is gone, shorter than it was (it never shrinks), headless, or cannot be read."""
        found = os.fstat(self._handle)
        if found.st_nlink == 0 or found.st_size < self._largest or os.pread(self._handle, 16, 0) != MAGIC:
            return True
        self._largest = found.st_size
        try:
            with Reader(self._folder) as reader:
                reader.newest()
        except sqlite3.Error as exc:
            return cause_of(exc) == "corrupt"
        return False

    def close(self) -> None:
        """After the owner's connection is closed."""
        os.close(self._handle)
