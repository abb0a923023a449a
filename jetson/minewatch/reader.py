"""Shots of one source, read in a thread so that a camera that hangs cannot hold up the watch."""

from __future__ import annotations

import threading
from typing import Any

from minehat.errors import MineHatError
from minehat.sources import Shot, is_url, shots, without_secrets

LEAVE = 2.0  # seconds that the thread gets to end by itself


class Reader:
    """A mailbox of one shot. A context manager: the thread lives inside it.

    A camera's newest shot takes the place of one that nobody fetched; a file's wait for their turn.
    `faults` collects what could not be read, one line each. Once outside, `stuck` says that the
    thread still hangs in the camera's library; leave with os._exit then, for libav crashes otherwise.
    """

    def __init__(self, source: str) -> None:
        self.live = is_url(source)
        self.name = without_secrets(source)
        self.faults: list[str] = []
        self._source = source
        self._shot: Shot | None = None
        self._crash: BaseException | None = None
        self._finished = self._leaving = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name=f"reader of {self.name}", daemon=True)

    def take(self, timeout: float) -> Shot | None:
        """The next shot; None where none came in `timeout` seconds, or when there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._shot is not None or self._finished, timeout)
            shot, self._shot = self._shot, None
            self._changed.notify_all()
            if shot is None and self._crash is not None:
                raise self._crash
            return shot

    @property
    def ended(self) -> bool:
        """Whether the source has given its last shot and that one was taken."""
        with self._changed:
            return self._finished and self._shot is None and self._crash is None

    @property
    def stuck(self) -> bool:
        return self._thread.is_alive()

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
        self._thread.join(LEAVE)

    def _read(self) -> None:
        try:
            for shot in shots([self._source], self._failed):
                if not self._hand_over(shot):
                    break
        except BaseException as exc:  # it belongs to the watch, not to this thread
            self._crash = exc
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _failed(self, error: MineHatError) -> None:
        self.faults.append(str(error))

    def _hand_over(self, shot: Shot) -> bool:
        """Lay the shot into the mailbox; False when nobody wants more."""
        with self._changed:
            if not self.live:
                self._changed.wait_for(lambda: self._shot is None or self._leaving)
            self._shot = shot
            self._changed.notify_all()
            return not self._leaving
