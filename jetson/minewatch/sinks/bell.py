"""A bell: wakes the one thread that waits at it, be it for time, for news or for a socket."""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from types import TracebackType
from typing import Protocol


class HasFileno(Protocol):
    """A socket, a pipe, or what else can be waited for."""

    def fileno(self) -> int:
        """Its number."""
        ...


class Bell:
    """Rung from any thread, heard by one. Close it when nobody waits any more."""

    def __init__(self) -> None:
        self.stopped = False  # for good: every wait ends at once
        self._ear, self._rope = socket.socketpair()
        self._ear.setblocking(False)
        self._rope.setblocking(False)

    def ring(self) -> None:
        """End the wait, or the next one. Never blocks."""
        with suppress(OSError):  # it is ringing already, or nobody waits any more
            self._rope.send(b"!")

    def stop(self) -> None:
        """Ring for the last time."""
        self.stopped = True
        self.ring()

    def wait(self, seconds: float, sock: HasFileno | None = None, *, reading: bool = True,
             writing: bool = False) -> tuple[bool, bool]:
        """Wait for the bell, or until the socket can be read or written: which of the two it can, False where not."""
        with selectors.DefaultSelector() as chosen:
            chosen.register(self._ear, selectors.EVENT_READ)
            asked = selectors.EVENT_READ * reading | selectors.EVENT_WRITE * writing
            if sock is not None and asked:
                chosen.register(sock, asked)
            ready = 0
            for key, found in chosen.select(0 if self.stopped else max(0.0, seconds)):
                if key.fileobj is self._ear:
                    self._hush()
                else:
                    ready = found
        return bool(ready & selectors.EVENT_READ), bool(ready & selectors.EVENT_WRITE)

    def close(self) -> None:
        """Let go of both ends."""
        self._ear.close()
        self._rope.close()

    def __enter__(self) -> Bell:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _hush(self) -> None:
        with suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass
