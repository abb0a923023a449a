"""Temperatures: thermal zones of boards, and of a PC the processor's own hardware monitor."""

from __future__ import annotations

import time
from pathlib import Path

from .reading import Reading
from .sysfs import hwmons, number, text

PROCESSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")


class Heat:
    """Degrees Celsius by zone, as the machine names them."""

    def __init__(self, root: Path) -> None:
        zones = [(text(folder / "type") or folder.name, folder / "temp")
                 for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*"))]
        self._paths = dict(zones) | {f"cpu {text(path.with_name(path.name.replace('input', 'label'))) or name}": path
                                     for name, folder in hwmons(root) if name in PROCESSORS
                                     for path in sorted(folder.glob("temp*_input"))}

    def __bool__(self) -> bool:
        return bool(self._paths)

    def read(self) -> Reading:
        found = {name.removesuffix("-thermal"): value / 1000 for name, path in self._paths.items()
                 if (value := number(path)) is not None}  # a zone of a part that sleeps does not answer
        return Reading(time.monotonic(), celsius=found)
