"""Room put by: a file that is given up when the disk is full, so that event rows go on while pictures are refused."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .opening import FILE_MODE

RESERVE = ".reserve"
BYTES = 1_000_000
ROOM = 1_000_000  # free bytes beyond the reserve, at which the disk no longer counts as full


class Reserve:
    """One file in the state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RESERVE

    @property
    def held(self) -> bool:
        """Whether there is something to give up."""
        try:
            return self._path.stat().st_size >= BYTES
        except OSError:
            return False

    def take(self) -> None:
        """Put the room by, where it is not yet. Raises OSError where the disk has not got it."""
        if self.held:
            return
        handle = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            os.posix_fallocate(handle, 0, BYTES)
        except OSError:
            self.release()
            raise
        finally:
            os.close(handle)  # an open file would keep its room when it is deleted

    def release(self) -> bool:
        """Give the room up. False where there was none."""
        with suppress(OSError):
            self._path.unlink()
            return True
        return False
