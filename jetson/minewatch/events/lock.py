"""One watch for one state folder."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from minehat.errors import MineHatError

from .opening import FILE_MODE, ready_state

LOCK = "watch.lock"


class FolderLock:
    """Held from its making until `close`, or until the process is gone, however it went. A context manager.

    Raises MineHatError that names the process which holds it. A read-only file system is no obstacle: nobody else
    can write there either.
    """

    def __init__(self, folder: Path) -> None:
        ready_state(folder)
        path = folder / LOCK
        try:
            self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        except OSError as exc:
            if exc.errno == errno.EROFS:
                self._handle = -1
                return
            raise MineHatError(f"{path} cannot be written: {exc.strerror}. Name a state folder that is yours.") from exc
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            pid = os.pread(self._handle, 20, 0).decode(errors="replace").strip() or "?"
            os.close(self._handle)
            raise MineHatError(f"a watch is running on {folder} already, process {pid}. Stop it, or name another "
                               "state folder for this one.") from exc
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Let others have the folder."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
