"""For tests: real cameras of the watch over real readers, turned as its loop does."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
from minewatch.cameras.camera import Camera, Happened
from minewatch.cameras.messages import Arrived, ClipDone
from minewatch.cameras.nursery import Nursery
from minewatch.cameras.standing import Change, Opener
from minewatch.clock import SystemClock
from minewatch.config.schema import CameraPart


class Looking:
    """Some cameras and their loop. A context manager. What is noted lies in `happened`, with its moment.

    look: called with each picture, which is freed then.
    """

    def __init__(self, *parts: CameraPart, before: float = 5.0, base: Path = Path(),
                 look: Callable[[Any], None] = lambda picture: None) -> None:
        self.clock, self.nursery, opener = SystemClock(), Nursery(), Opener()
        self.cameras = [Camera(part, base, self.clock, opener, self.nursery, before) for part in parts]
        self.happened: list[tuple[float, str, Happened]] = []
        self.frames: dict[str, list[Arrived]] = {part.name: [] for part in parts}
        self._look = look

    def turn(self) -> None:
        """Once, after at most a tenth of a second."""
        wait([one for camera in self.cameras for one in camera.waitables()], 0.1)
        for camera in self.cameras:
            name = camera.part.name
            self.happened += [(time.monotonic(), name, one) for one in camera.turn(self.clock.monotonic())
                              if not isinstance(one, Arrived)]
            if picture := camera.take():
                self.frames[name].append(picture.arrived)
                self._look(picture)
                picture.free()

    def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """Turn until it is; fail where it is not within that time."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, (self.happened, [camera.status() for camera in self.cameras])
            self.turn()

    def during(self, seconds: float) -> None:
        """Turn so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.turn()

    def of(self, kind: type, name: str | None = None) -> list[Any]:
        """What happened of this kind."""
        return [one for _, camera, one in self.happened if isinstance(one, kind) and name in (None, camera)]

    def changes(self, name: str | None = None) -> list[tuple[str, str | None]]:
        """Standings and causes that were told."""
        return [(change.standing, change.cause) for change in self.of(Change, name)]

    def clip(self, path: Path, began: float, ended: float) -> ClipDone:
        """A clip of the first camera, waited for."""
        self.cameras[0].clip(str(path), began, ended)
        self.until(lambda: any(done.path == str(path) for done in self.of(ClipDone)), ended - time.monotonic() + 10)
        return next(done for done in self.of(ClipDone) if done.path == str(path))

    def __enter__(self) -> Looking:
        return self

    def __exit__(self, *exc: object) -> None:
        for camera in self.cameras:
            camera.close()
        self.nursery.close()


def part(url: str | Path, name: str = "shaft", **more: Any) -> CameraPart:
    """A camera's part of a configuration."""
    return CameraPart(name=name, url=str(url), **more)


def numbered(count: int, width: int = 160, height: int = 96) -> list[Any]:
    """At most 100 frames that tell their number: each is 2 brighter than the one before."""
    return [np.full((height, width, 3), 20 + 2 * number, np.uint8) for number in range(count)]


def descendants(pid: int) -> list[int]:
    """The processes that this one started, and those that they did."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            found = [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []
    return found + [one for child in found for one in descendants(child)]
