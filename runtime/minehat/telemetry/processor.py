"""The processor: clock and load, on PCs its package's power (RAPL) and how often heat held it back.

RAPL files are root's alone on most systems; where they cannot be read there are no watts. Unverified where power can
be read: tried on made-up trees.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from .reading import Reading
from .sysfs import number, text

_WAITING = (3, 4)  # columns of /proc/stat: idle, iowait


class Processor:
    """Mean clock of all cores, and the share of their time that was spent since the last reading."""

    def __init__(self, root: Path) -> None:
        self._cpus = root / "sys/devices/system/cpu"
        self._clocks = sorted(self._cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self._about, self._stat = root / "proc/cpuinfo", root / "proc/stat"
        self._throttles = sorted(self._cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))
        self._spent, self._throttled = self._times(), self._counts()

    def __bool__(self) -> bool:
        return self._spent is not None or self._clock() is not None

    def read(self) -> Reading:
        clock, load = self._clock(), self._load()
        before, self._throttled = self._throttled, self._counts()
        return Reading(time.monotonic(), clocks_mhz={} if clock is None else {"cpu": clock},
                       loads={} if load is None else {"cpu": load},
                       throttled=("CPU too hot",) if self._throttled > before else ())

    def _clock(self) -> float | None:
        told = [khz / 1000 for path in self._clocks if (khz := number(path)) is not None]
        told = told or [float(mhz) for mhz in re.findall(r"^cpu MHz\s*: ([\d.]+)", text(self._about) or "", re.M)]
        return statistics.mean(told) if told else None

    def _load(self) -> float | None:
        before, self._spent = self._spent, self._times()
        if before is None or self._spent is None or self._spent[1] <= before[1]:
            return None
        return (self._spent[0] - before[0]) / (self._spent[1] - before[1])

    def _times(self) -> tuple[float, float] | None:
        """Busy and all time of all cores since boot, in ticks."""
        line = (text(self._stat) or "").split("\n")[0].split()
        if len(line) < 5 or line[0] != "cpu":
            return None
        ticks = [float(word) for word in line[1:9]]  # guests are within user time
        return sum(ticks) - sum(ticks[column] for column in _WAITING), sum(ticks)

    def _counts(self) -> float:
        return sum(number(path) or 0 for path in self._throttles)


class Rapl:
    """Watts of each package, and of memory where it has a counter of its own, between two readings."""

    def __init__(self, root: Path) -> None:
        zones = sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
        self._zones = {f"{name} {zone.name.split(':')[1]}" if name == "dram" else name: zone for zone in zones
                       if (name := text(zone / "name") or "").startswith(("package", "dram"))
                       and number(zone / "energy_uj") is not None}
        self._last = (time.monotonic(), self._energies())

    def __bool__(self) -> bool:
        return bool(self._zones)

    def read(self) -> Reading:
        before, self._last = self._last, (time.monotonic(), self._energies())
        seconds = max(self._last[0] - before[0], 1e-6)
        watts = {name: self._spent(name, before[1], energy) / seconds / 1e6 for name, energy in self._last[1].items()
                 if name in before[1]}
        return Reading(self._last[0], watts=watts, total_watts=sum(watts.values()) if watts else None)

    def _spent(self, name: str, before: Mapping[str, float], now: float) -> float:
        """Microjoules; the counter begins anew at its largest."""
        spent = now - before[name]
        return spent if spent >= 0 else spent + (number(self._zones[name] / "max_energy_range_uj") or -spent)

    def _energies(self) -> dict[str, float]:
        return {name: energy for name, zone in self._zones.items()
                if (energy := number(zone / "energy_uj")) is not None}
