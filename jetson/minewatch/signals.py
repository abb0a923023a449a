"""Signals set a flag and wake the loop; nothing else happens in them."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType


class Signals:
    """SIGTERM and SIGINT ask to stop, SIGHUP to read the configuration anew. A context manager of the main thread."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self.wakeup, self._mouth = os.pipe()  # readable when a signal has come
        for end in (self.wakeup, self._mouth):
            os.set_blocking(end, False)
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        self._before = {number: signal.signal(number, self._heard)
                        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        return self

    def __exit__(self, *exc: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self.wakeup)
        os.close(self._mouth)

    def drain(self) -> None:
        """Make the wakeup silent again."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.wakeup, 512):
                pass

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            self.stop = True
