"""A letter box to a process that may hang: who puts something in never waits, and of each kind the newest wins."""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from typing import Any


class Postbox:
    """Owns the pipe's writing end. Its thread may be stuck in a write until the other process reads or ends."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._waiting: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._carry, name="page-post", daemon=True).start()

    def put(self, key: str, content: Any) -> None:
        """To be sent, unless another one of the same key comes before its turn."""
        with self._changed:
            if not self._closed:
                self._waiting[key] = content
                self._changed.notify()

    def close(self) -> None:
        """Nothing more is sent; the other process finds the pipe's end."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()

    def _carry(self) -> None:
        try:
            while (content := self._next()) is not None:
                self._pipe.send(content)
        except OSError:
            pass  # the other process is gone; its handle sees that by itself
        finally:
            self.close()
            self._pipe.close()

    def _next(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else self._waiting.pop(next(iter(self._waiting)))
