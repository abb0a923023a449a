"""Memory and swap: on a Jetson the GPU's memory is everybody's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..engine.memory import MAKE_SWAP
from ..telemetry.sysfs import text
from .finding import FAULT, NOTE, WARNING, WELL, Finding

LEAST, LITTLE = 0.3, 1.0  # GB that are free; the watch on a CPU takes about 0.4
FOR_BUILDS = 8.0  # GB of memory and swap together, below which a builder may be killed
CLOSE = "See who takes it: `ps aux --sort=-rss | head`"


def memory(root: Path) -> Iterator[Finding]:
    """What is free. root: the folder that stands for `/`."""
    found = _meminfo(root)
    if "MemTotal" not in found or "MemAvailable" not in found:
        return
    free, told = found["MemAvailable"], f"{found['MemAvailable']:.1f} of {found['MemTotal']:.1f} GB are free"
    if free >= LITTLE:
        yield Finding("memory", WELL, told)
    else:
        yield Finding("memory", FAULT if free < LEAST else WARNING, told, "Linux ends programs when none is left",
                      f"{CLOSE}; close other programs, of a Jetson the desktop as well (`sudo systemctl set-default "
                      "multi-user.target`)")


def swap(root: Path) -> Iterator[Finding]:
    """How much there is, and of what kind."""
    found = _meminfo(root)
    if "MemTotal" not in found:
        return
    total = found.get("SwapTotal", 0.0)
    rows = (text(root / "proc/swaps") or "").splitlines()[1:]
    kinds = {"zram" if "zram" in row.split()[0] else row.split()[0] for row in rows if row.split()}
    told = f"{found.get('SwapFree', 0.0):.1f} of {total:.1f} GB are free ({', '.join(sorted(kinds)) or '?'})" if total \
        else "none"
    if found["MemTotal"] + total >= FOR_BUILDS:
        yield Finding("swap", WELL, told)
    else:
        yield Finding("swap", NOTE, told, "Building an engine may want more memory than is here",
                      f"Before a build: `{MAKE_SWAP}`")


def _meminfo(root: Path) -> dict[str, float]:
    """GB (10**9 bytes) by name."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", text(root / "proc/meminfo") or "", re.MULTILINE)
    return {name: int(amount) * 1024 / 1e9 for name, amount in found}
