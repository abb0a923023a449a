"""One watch for one state folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minehat.errors import MineHatError

from .opening import FILE_MODE, ready_state

LOCK = "watch.lock"


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Inside, the folder is this process's alone; however the process ends, it is free afterwards.

    Raises MineHatError that names the process which has it. A read-only file system is no obstacle: nobody else can
    write there either.
    """
    ready_state(folder)
    path = folder / LOCK
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    except OSError as exc:
        if exc.errno != errno.EROFS:
            raise MineHatError(f"{path} cannot be written: {exc.strerror}. Name a state folder that is yours.") from exc
        yield
        return
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        pid = os.pread(handle, 20, 0).decode(errors="replace").strip() or "?"
        raise MineHatError(f"a watch is running on {folder} already, process {pid}. Stop it, or name another state "
                           "folder for this one.") from exc
    os.ftruncate(handle, 0)
    os.pwrite(handle, b"%d\n" % os.getpid(), 0)
