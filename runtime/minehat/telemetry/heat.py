"""Temperatures: thermal zones of boards, of a PC the processor's own hardware monitor; and from where it slows down."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from .reading import Reading
from .sysfs import hwmons, number, text

PROCESSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
BELIEVED = (-40.0, 200.0)  # Celsius; a sensor that is off tells -256
SLOWS = ("passive", "hot")  # types of trip points that hold a part back; "active" ones turn up a fan
HOTTEST = 80.0  # Celsius; a trip point below it is of a fan or of nothing, whatever its type says
BEFORE_END = 6.0  # Celsius below a critical point, where no other is told; on Orin and Thor they lie 5.5 apart


class Heat:
    """Degrees Celsius by zone, as the machine names them; a name that comes again gets a number."""

    def __init__(self, root: Path) -> None:
        self._zones = _numbered([(text(folder / "type") or folder.name, folder) for folder in _folders(root)])
        self._paths = {name: folder / "temp" for name, folder in self._zones.items()}
        self._monitors = {f"cpu {text(path.with_name(path.name.replace('input', 'label'))) or name}": path
                          for name, folder in hwmons(root) if name in PROCESSORS
                          for path in sorted(folder.glob("temp*_input"))}

    def __bool__(self) -> bool:
        return bool(self._paths or self._monitors)

    def read(self) -> Reading:
        told = ((name, number(path)) for name, path in (self._paths | self._monitors).items())
        return Reading(time.monotonic(), celsius={
            name: value / 1000 for name, value in told  # a zone of a part that sleeps does not answer
            if value is not None and BELIEVED[0] < value / 1000 < BELIEVED[1]})

    def limits(self) -> Mapping[str, float]:
        """Celsius from which the kernel holds a part back, by zone, where it tells. It can change by other hands."""
        zones = ((name, _slows_from(folder)) for name, folder in self._zones.items())
        monitors = ((name, _critical(number(path.with_name(path.name.replace("input", "crit")))))
                    for name, path in self._monitors.items())
        return {name: limit for name, limit in (*zones, *monitors) if limit is not None}


def _folders(root: Path) -> list[Path]:
    found = (root / "sys/class/thermal").glob("thermal_zone*")
    return sorted(found, key=lambda folder: (len(folder.name), folder.name))  # 10 after 9


def _numbered(zones: list[tuple[str, Path]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for kind, folder in zones:
        name = kind.removesuffix("-thermal")
        found[name if name not in found else f"{name} {folder.name.removeprefix('thermal_zone')}"] = folder
    return found


def _slows_from(folder: Path) -> float | None:
    points = [(text(path.with_name(path.name.replace("_temp", "_type"))), (number(path) or 0) / 1000)
              for path in sorted(folder.glob("trip_point_*_temp"))]
    told = [celsius for kind, celsius in points if kind in SLOWS and celsius >= HOTTEST]
    return min(told, default=_critical(min((1000 * c for kind, c in points if kind == "critical"), default=None)))


def _critical(thousandths: float | None) -> float | None:
    """Where a part is held back, by where the machine is switched off."""
    return None if thousandths is None or thousandths / 1000 < HOTTEST else thousandths / 1000 - BEFORE_END
