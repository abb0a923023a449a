"""Frames in shared memory: written by a reader, read in place by everybody else, without locks.

A memory is a file of /dev/shm. Everyone who has it open holds a shared lock on it; what nobody holds was
left behind by processes that were killed, and `sweep` removes it. Who may touch which slot is settled by
messages.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
from contextlib import suppress
from pathlib import Path

import numpy as np

from .source import Pixels, SourceLost

FOLDER = Path("/dev/shm")
PREFIX = "minewatch-"
SLOTS = 4  # one being written, the newest, one being looked at, and one on its way back


class Slots:
    """A memory of `count` frames of height x width x 3 bytes. Its name lives until `remove`."""

    def __init__(self, name: str, view: mmap.mmap, count: int, height: int, width: int) -> None:
        self.name, self.count, self.height, self.width = name, count, height, width
        self._frames: Pixels = np.frombuffer(view, np.uint8).reshape(count, height, width, 3)

    def frame(self, slot: int) -> Pixels:
        """The slot's pixels, uint8 [h, w, 3] BGR, not a copy."""
        frame: Pixels = self._frames[slot]
        return frame

    def offset(self, slot: int) -> int:
        """Where the slot begins, in bytes."""
        return slot * self.height * self.width * 3

    def remove(self) -> None:
        """Take the name away; the memory goes with the last process that has it open."""
        remove(self.name)


def made(count: int, height: int, width: int) -> Slots:
    """New memory. Raises SourceLost where the machine has no room for it, or lets us make none."""
    size = count * height * width * 3
    while True:
        path = FOLDER / f"{PREFIX}{secrets.token_hex(8)}"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise SourceLost("forbidden", f"{FOLDER} cannot be written to: {exc.strerror}. Frames are kept there; it "
                             "must be a tmpfs that this user may write to") from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
            os.posix_fallocate(handle, 0, size)  # or else a full /dev/shm ends the process at the first write
            if os.fstat(handle).st_nlink:  # no sweep took it away between open and lock
                return Slots(path.name, mmap.mmap(handle, size), count, height, width)
        except OSError as exc:
            path.unlink(missing_ok=True)
            if exc.errno not in (errno.ENOSPC, errno.EFBIG, errno.ENOMEM):
                raise
            raise SourceLost("format", f"{FOLDER} has no room for {count} frames of {width}x{height} "
                             f"({size / 1e6:.0f} MB): set `widest` lower, or make {FOLDER} larger "
                             "(docker run --shm-size=1g)") from exc
        finally:
            os.close(handle)  # the mapping keeps one of its own, and the lock with it


def attached(name: str, count: int, height: int, width: int) -> Slots:
    """The memory that another process made. Raises FileNotFoundError where its name was removed."""
    handle = os.open(FOLDER / name, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        return Slots(name, mmap.mmap(handle, count * height * width * 3), count, height, width)
    finally:
        os.close(handle)


def remove(name: str) -> None:
    """Take a memory's name away, where it still has one."""
    (FOLDER / name).unlink(missing_ok=True)


def sweep() -> int:
    """Remove what killed processes left behind. Returns how many there were."""
    return sum(_is_removed(path) for path in FOLDER.glob(f"{PREFIX}*"))


def _is_removed(path: Path) -> bool:
    with suppress(OSError):  # it is somebody else's, or just went
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
    return False
