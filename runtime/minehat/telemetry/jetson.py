"""A Jetson's own sensors: power rails, clock and load of GPU and memory, alerts of heat and current.

Unverified on a board: the paths are those of documentation and of what owners of boards published.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from .reading import Reading
from .sysfs import hwmons, number, text

WHOLE = ("VIN", "VDD_IN", "POM_5V_IN")  # what goes into the board (Thor) or the module (Orin Nano, NX), if measured
WITHIN = {"VDDQ_VDD2_1V8AO": "VIN_SYS_5V0"}  # rails that another one feeds, not to be added to it (AGX Orin's memory)
_GPU = re.compile(r"(\.(gpu|ga10b|gv11b|gp10b)|^gpu-gpc-0)$")  # by JetPack 6, 5, 4, and 7 on Thor
_MEMORY = ("sys/kernel/debug/bpmp/debug/clk/emc/rate", "sys/class/devfreq/bwmgr/cur_freq")  # the first for root alone
_MEMORY_ACTIVITY = ("sys/kernel/debug/cactmon/mc_all", "sys/kernel/actmon_avg_activity/mc_all")  # for root alone
_OVER = {"oc1": "supply voltage too low", "oc2": "too much current on average", "oc3": "too much current at once"}


class Rails:
    """Watts of each rail that has a name: an INA3221 has three, other monitors of that family one."""

    def __init__(self, root: Path) -> None:
        self._rails = [(label, folder, channel)
                       for name, folder in hwmons(root) if name.startswith("ina3221") for channel in (1, 2, 3)
                       if (label := text(folder / f"in{channel}_label")) and label != "NC"]
        self._rails += [(label, folder, 1) for name, folder in hwmons(root)
                        if name.startswith("ina2") and (label := text(folder / "label"))]

    def __bool__(self) -> bool:
        return bool(self._rails)

    def read(self) -> Reading:
        watts = {label: value for label, folder, channel in self._rails
                 if (value := _watts(folder, channel)) is not None}
        return Reading(time.monotonic(), watts=watts, total_watts=_total(watts))


class Board:
    """GPU clock and load, memory clock, and alerts: "gpu-throttle-alert" and its like, over-current counters."""

    def __init__(self, root: Path) -> None:
        self._gpus = [folder for folder in sorted((root / "sys/class/devfreq").glob("*")) if _GPU.search(folder.name)]
        self._memory = [root / path for path in _MEMORY if number(root / path) is not None]
        self._activity = [root / path for path in _MEMORY_ACTIVITY if number(root / path) is not None]
        self._alerts = [(why, folder) for folder in sorted((root / "sys/class/thermal").glob("cooling_device*"))
                        if (why := _alert(text(folder / "type") or ""))]
        self._counters = [(_OVER[key], folder / f"{key}_event_cnt") for name, folder in hwmons(root)
                          if name == "soctherm_oc" for key in _OVER]
        self._counted = self._counts()

    def __bool__(self) -> bool:
        return bool(self._gpus or self._alerts or self._counters)

    def read(self) -> Reading:
        clocks, loads = {}, {}
        for key, paths in (("gpu", [folder / "cur_freq" for folder in self._gpus]), ("memory", self._memory)):
            if paths and (hertz := number(paths[0])) is not None:
                clocks[key] = hertz / 1e6
        if self._gpus and (load := number(self._gpus[0] / "device/load")) is not None:
            loads["gpu"] = load / 1000
        if clocks.get("memory") and self._activity and (busy := number(self._activity[0])) is not None:
            loads["memory"] = busy / (1000 * clocks["memory"]) / 100  # activity is the clock in kHz times percent
        return Reading(time.monotonic(), clocks_mhz=clocks, loads=loads, throttled=self._throttled())

    def _throttled(self) -> tuple[str, ...]:
        hot = [why for why, folder in self._alerts if (number(folder / "cur_state") or 0) > 0]
        before, self._counted = self._counted, self._counts()
        over = [why for why, count in self._counted.items() if count > before.get(why, count)]
        return (*hot, *over)

    def _counts(self) -> dict[str, float]:
        return {why: count for why, path in self._counters if (count := number(path)) is not None}


def _watts(folder: Path, channel: int) -> float | None:
    if (microwatts := number(folder / f"power{channel}_input")) is not None:
        return microwatts / 1e6
    millivolts, milliamperes = number(folder / f"in{channel}_input"), number(folder / f"curr{channel}_input")
    return None if millivolts is None or milliamperes is None else millivolts * milliamperes / 1e6


def _total(watts: dict[str, float]) -> float | None:
    whole = [watts[label] for label in WHOLE if label in watts]
    return whole[0] if whole else sum(value for label, value in watts.items() if WITHIN.get(label) not in watts) or None


def _alert(kind: str) -> str:
    """What an alert's name says, "" for other things that cool: fans, lower clocks of one part."""
    part = kind.removesuffix("-throttle-alert")
    if part != kind:
        return f"{part.upper()} too hot"
    return "surface too hot" if kind == "hot-surface-alert" else ""
