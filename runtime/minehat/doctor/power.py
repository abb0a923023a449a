"""Power mode, supply and heat: does it run as fast as it could?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..telemetry.heat import Heat
from ..telemetry.jetson import Rails
from ..telemetry.reading import reading_from_json
from ..telemetry.sources import read_all, sensors_here
from ..telemetry.sysfs import hwmons, number, text
from .apart import Answer, ask
from .finding import NOTE, WARNING, WELL, Finding

MODE = r"^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>"
NEAR = 5.0  # Celsius below the limit, from where on heat is told
COOL = "Clean fan and fins, give it air, or take a lower power mode"
VOLTAGE = "oc1"  # of COUNTERS, the one that stops a board in the end
COUNTERS = {"oc1": "the supply's voltage fell too low", "oc2": "too much current was drawn on average",
            "oc3": "too much current was drawn at once"}


def mode(root: Path) -> Iterator[Finding]:
    """A Jetson's power mode; nothing elsewhere. root: the folder that stands for `/`."""
    config = text(root / "etc/nvpmodel.conf") or ""
    modes = {int(row): name for row, name in re.findall(MODE, config, re.MULTILINE)}
    if not modes:
        return
    found = re.search(r"pmode:(\d+)", text(root / "var/lib/nvpmodel/status") or "")
    now = modes.get(int(found[1])) if found else None
    best = max(modes, key=lambda row: _rank(modes[row]))
    if now is None:
        yield Finding("power mode", NOTE, f"not told; there are {', '.join(modes.values())}", "Slow modes halve the "
                      "speed and more", "See `sudo nvpmodel -q`")
    elif now == modes[best]:
        yield Finding("power mode", WELL, now)
    else:
        yield Finding("power mode", NOTE, f"{now}; {modes[best]} is the fastest", "This one draws less and runs slower",
                      f"Where supply and cooling allow: `sudo nvpmodel -m {best}`")


def pace(root: Path) -> Iterator[Finding]:
    """Clocks now, and the zone that is nearest to where it slows down."""
    answer = ask("sensors") if root == Path("/") else Answer(read_all(sensors_here(root)).to_json())
    if answer.trouble:
        yield Finding("heat", WARNING, f"the sensors: {answer.trouble}", "Heat is not seen",
                      answer.cure("See what `nvidia-smi` says, or restart the machine"))
        return
    reading, limits = reading_from_json(json.dumps(answer.told)), Heat(root).limits()
    clocks = [f"{part} {mhz:.0f}" for part, mhz in sorted(reading.clocks_mhz.items())]
    if clocks:
        yield Finding("clocks", WELL, f"{', '.join(clocks)} MHz now")
    told = _hottest(reading.celsius, limits)
    if reading.throttled:
        yield Finding("heat", WARNING, f"{', '.join(reading.throttled)}; {told}", "It runs slower than it could", COOL)
    elif any(reading.celsius.get(name, -273.0) >= limit - NEAR for name, limit in limits.items()):
        yield Finding("heat", WARNING, told, "It is about to slow down", COOL)
    elif reading.celsius:
        yield Finding("heat", WELL, told)


def supply(root: Path) -> Iterator[Finding]:
    """Watts now, and how often the supply was too weak since the start; nothing where no rail is measured."""
    watts = Rails(root).read().total_watts
    over = {key: count for name, folder in hwmons(root) if name == "soctherm_oc" for key in COUNTERS
            if (count := number(folder / f"{key}_event_cnt"))}
    told = [f"{COUNTERS[key]} {count:.0f} times since the start" for key, count in over.items()]
    told += [] if watts is None else [f"{watts:.1f} W now"]
    if over:
        yield Finding("power supply", WARNING if VOLTAGE in over else NOTE, "; ".join(told), "Clocks are lowered each "
                      "time", "Use the supply that came with the board, or a lower power mode")
    elif told:
        yield Finding("power supply", WELL, *told)


def _hottest(celsius: Mapping[str, float], limits: Mapping[str, float]) -> str:
    """The zone with the least room to its limit; where none has one the hottest."""
    known = {name: limits[name] - value for name, value in celsius.items() if name in limits}
    name = min(known, key=lambda one: known[one]) if known else max(celsius, key=lambda one: celsius[one], default="")
    if not name:
        return "no zone answers"
    return f"{name} {celsius[name]:.1f} C" + (f", slows down from {limits[name]:.0f} C on" if name in limits else "")


def _rank(name: str) -> tuple[int, int]:
    """Modes without limits come last, others by their watts."""
    watts = re.search(r"(\d+)W", name)
    return int(name.startswith("MAXN")), int(watts[1]) if watts else 0
