"""Waits that end: as soon as something is so, or after some seconds of the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(found: Callable[[], Found], seconds: float = 20.0, every: float = 0.05) -> Found:
    """What `found()` gives, as soon as it gives something; fails after that time."""
    deadline = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < deadline, f"nothing came within {seconds:g} s"
        time.sleep(every)
    return got


def eventually(true: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether it comes true within so long."""
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(found)
