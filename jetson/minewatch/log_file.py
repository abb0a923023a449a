"""A log file that never grows beyond its size and never ends the program when the disk does."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

PARTS = 5  # the file and four older ones


class CappedFile:
    """Lines are appended whole. At a fifth of `size` bytes x.log becomes x.log.1, that x.log.2, and so on to 4."""

    def __init__(self, path: Path, size: int, rotates: bool = True) -> None:
        """rotates: whether it is ours to cap it; of the processes that share a file just one does."""
        self.path, self.lost = path, 0
        self.fault = ""  # why the latest line was lost
        self._part, self._rotates = max(1, size // PARTS), rotates
        self._handle: int | None = None
        self._torn = self._closed = False
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Append the line, whose last letter is the newline; count it as lost where the disk will not have it."""
        raw = line.encode("utf-8", "replace")
        with self._lock:
            if self._closed:
                self.lost += 1
                return
            try:
                self._append(raw)
                self.fault = ""
            except OSError as exc:
                self.lost += 1
                self.fault = exc.strerror or str(exc)
                self._let_go()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _append(self, raw: bytes) -> None:
        handle = self._opened()
        if self._rotates and os.fstat(handle).st_size + len(raw) > self._part:
            self._let_go()
            self._turn()
            handle = self._opened()
        if self._torn:
            raw = b"\n" + raw
        self._torn = True
        written = os.write(handle, raw)
        if written < len(raw):
            raise OSError("the disk is full")
        self._torn = False

    def _opened(self) -> int:
        """The file that bears the name now; the one that we hold may have been renamed or deleted."""
        if self._handle is not None and not _is_at(self._handle, self.path):
            self._let_go()
        if self._handle is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return self._handle

    def _turn(self) -> None:
        for number in range(PARTS - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False
