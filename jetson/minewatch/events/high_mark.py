"""The highest number that may have been given, beside the database, so that no number is given twice after its loss."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from .opening import FILE_MODE

HIGH_MARK = "seq.high"
AHEAD = 1000  # numbers that are promised at once: one more write in so many events
NEAR = 100


class HighMark:
    """Numbers up to `promised` may have been given."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / HIGH_MARK
        self.promised = _read(self._path)

    def cover(self, seq: int) -> None:
        """Promise numbers well beyond `seq` before it is given. A full disk is no obstacle: nothing grows."""
        if seq + NEAR <= self.promised:
            return
        promised = seq + AHEAD
        with suppress(OSError):  # the second line of safety only; the database is the first
            handle = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
            try:
                os.pwrite(handle, b"%019d\n" % promised, 0)
                os.fsync(handle)
            finally:
                os.close(handle)
            self.promised = promised


def _read(path: Path) -> int:
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):
        return 0
