"""Which sensors this machine has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .heat import Heat
from .jetson import Board, Rails
from .nvml import Nvml
from .processor import Processor, Rapl
from .reading import Reading, merged


class Sensor(Protocol):
    """One source. False where this machine has nothing of its kind."""

    def __bool__(self) -> bool: ...

    def read(self) -> Reading:
        """What it says now; what it cannot say now is not in it. Raises nothing."""


def sensors_here(root: Path | str = "/") -> list[Sensor]:
    """Those that can be read. root: the folder that stands for `/`; cards are asked for at `/` alone."""
    root = Path(root)
    found: list[Sensor] = [Rails(root), Board(root), Heat(root), Processor(root), Rapl(root)]
    if root == Path("/"):
        found.append(Nvml())
    return [sensor for sensor in found if sensor]


def read_all(sensors: Sequence[Sensor]) -> Reading:
    """One reading of them all."""
    return merged([sensor.read() for sensor in sensors], time.monotonic())
