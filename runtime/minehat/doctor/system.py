"""What this machine is: the board, its JetPack, its Python."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..machine import cpu_name
from ..telemetry.sysfs import text
from .finding import FAULT, WELL, Finding
from .packages import debian

CHIPS = {"tegra234": "8.7", "tegra264": "11.0"}  # that we build for, and their GPU's compute capability
JETPACK = {32: 4, 34: 5, 35: 5, 36: 6, 38: 7, 39: 7}  # by the major number of Jetson Linux
OLDEST_JETPACK = 6  # the first with Python 3.10
FLASH = "Flash JetPack 6.2 or newer with NVIDIA's SDK Manager"


@dataclass(frozen=True)
class Board:
    """A machine by its device tree; of a PC everything is empty."""

    name: str  # "NVIDIA Jetson AGX Orin Developer Kit"
    chip: str  # "tegra234"; "" for what is no Jetson
    linux: str  # of Jetson Linux, "36.4.3"

    @property
    def jetpack(self) -> int | None:
        """The major version, where this Jetson Linux is one that we know."""
        return JETPACK.get(int(self.linux.split(".")[0])) if self.linux else None


def board_of(root: Path) -> Board:
    """What the device tree and NVIDIA's release file say. root: the folder that stands for `/`."""
    name, compatible = (text(root / "proc/device-tree" / file) or "" for file in ("model", "compatible"))
    chip = re.search(r"nvidia,(tegra\d+)", compatible)
    release = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text(root / "etc/nv_tegra_release") or "")
    return Board(name, chip[1] if chip else "", f"{release[1]}.{release[2]}" if release else "")


def board(root: Path) -> Iterator[Finding]:
    """Which board or processor."""
    found = board_of(root)
    if found.chip and found.chip not in CHIPS:
        yield Finding("board", FAULT, f"{found.name} ({found.chip})", "Its JetPack ends before Python 3.10, which is "
                      "needed", "Use a Jetson Orin or Thor, or a PC")
    elif found.name:
        yield Finding("board", WELL, f"{found.name}{f' ({found.chip})' if found.chip else ''}")
    elif root == Path("/"):
        yield Finding("board", WELL, f"{cpu_name()}, {os.cpu_count()} cores, {platform.machine()}")


def jetpack(root: Path) -> Iterator[Finding]:
    """Which JetPack; nothing where this is no Jetson."""
    found = board_of(root)
    if not found.chip and not found.linux:
        return
    if not found.linux:
        yield Finding("JetPack", FAULT, "/etc/nv_tegra_release does not say which one", "NVIDIA's driver, CUDA and "
                      "TensorRT come with it", FLASH)
        return
    package = debian(root).get("nvidia-jetpack", "").partition("+")[0]
    told = f"{package or found.jetpack or 'of unknown version'} (Jetson Linux {found.linux})"
    if found.jetpack and found.jetpack < OLDEST_JETPACK:
        yield Finding("JetPack", FAULT, told, "Its Python is older than 3.10, which is needed", FLASH)
    else:
        yield Finding("JetPack", WELL, told)


def python(root: Path) -> Iterator[Finding]:
    """The Python that runs this; nothing where `root` is another machine."""
    if root != Path("/"):
        return
    try:
        ours = version("minehat")
    except PackageNotFoundError:
        ours = "not installed"
    yield Finding("Python", WELL, f"{platform.python_version()} in {sys.prefix}; MineHat {ours}, numpy "
                                  f"{version('numpy')}")
