"""One installation at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import Refused
from . import told
from .layout import Layout

PATIENCE = 300.0  # seconds that another one may still take


@dataclass(frozen=True)
class Lock:
    """A lock that is held; children that inherit the handle hold it too."""

    handle: int


@contextmanager
def locked(layout: Layout, patience: float = PATIENCE) -> Iterator[Lock]:
    """Hold the lock. Raises Refused where another installation does not end in time."""
    layout.home.mkdir(parents=True, exist_ok=True)
    handle = os.open(layout.home / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(handle, patience)
        if not os.fstat(handle).st_nlink:
            raise Refused(f"{layout.home} was removed by an uninstallation meanwhile. Type the same again.")
        yield Lock(handle)
    finally:
        os.close(handle)


def _wait(handle: int, patience: float) -> None:
    deadline = time.monotonic() + patience
    waiting = False
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Refused(f"another installation has been at work for {patience:.0f} s. "
                              "Wait for its end, then type the same again.") from None
        if not waiting:
            told.say("another installation, or what is left of it, is at work; waiting for its end")
            waiting = True
        time.sleep(0.2)
