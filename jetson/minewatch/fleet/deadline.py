"""A limit on work that waits for others, whatever it waits for: of the main thread alone, by an alarm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .refusal import NotTaken


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises NotTaken inside when the time is over."""
    def ring(number: int, frame: FrameType | None) -> None:
        raise NotTaken("source", f"it was not all there within {seconds:g} s; what came is kept")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
