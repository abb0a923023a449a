"""Would this camera work? It is opened as the watch does, looked at for a few seconds, and let go."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

from minehat.errors import MineHatError

from ..clock import SystemClock
from ..config.schema import CameraPart
from .camera import Camera
from .nursery import Nursery
from .standing import Opener

PATIENCE = 20.0  # seconds until the first frame
STEP = 0.1


def try_camera(part: CameraPart, base: Path, seconds: float = 2.0, redact: Callable[[str], str] = str) -> str:
    """One line: what it gives. Raises MineHatError where no frame comes, with the cause."""
    clock, nursery = SystemClock(), Nursery()
    began = clock.monotonic()
    camera = Camera(part, base, clock, Opener(), nursery, before=0.0, redact=redact)
    frames, first, last, size = 0, 0.0, 0.0, (0, 0)
    try:
        while (now := clock.monotonic()) < (first + seconds if frames else began + PATIENCE):
            wait([wire.fileno() for wire in camera.waitables()], STEP)
            camera.turn(clock.monotonic())
            if picture := camera.take():
                first, last, size = first or now, now, picture.size
                frames += 1
                picture.free()
            if camera.opened and camera.status().standing in ("waiting", "ended"):
                break
        status = camera.status()
    finally:
        camera.close()
        nursery.close()
    if not frames:
        raise MineHatError(f"{part.name}: {status.cause or 'timeout'}: {status.text or 'no frame came'}.")
    fps = f", {(frames - 1) / (last - first):.1f} frames a second" if last > first else ""
    return f"{part.name}: {size[0]}x{size[1]}{fps}, the first after {first - began:.1f} s"
