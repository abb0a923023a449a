"""Events, clocks and small disks for the tests of the watch's store."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_clock import NOON
from minewatch.events.event import Event
from minewatch.events.files import Snapshot


def bare_head(time: float = NOON, camera: str = "gate", **more: Any) -> Event:
    """Somebody without a helmet."""
    return Event("bare_head", time, camera, score=0.9, box=(0.25, 0.5, 0.3, 0.6), loud=True, **more)


def ended(event: Event, time: float = NOON + 5) -> Event:
    """They have gone."""
    return Event("bare_head_ended", time, event.camera, incident=event.incident)


def noise(height: int = 240, width: int = 320) -> Snapshot:
    """A picture that no JPEG makes small."""
    return Snapshot(np.random.default_rng(height).integers(0, 255, (height, width, 3), np.uint8))


@contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[Path]:
    """A file system of its own in memory. Skips where this user may not mount."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)],
                          capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Leave no byte free on the disk."""
    with open(path, "wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                continue
    assert os.statvfs(path.parent).f_bavail == 0
