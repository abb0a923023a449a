"""What this machine is called, to be printed beside every figure that was measured on it."""

from __future__ import annotations

import platform
import re
from pathlib import Path


def cpu_name() -> str:
    """The processor as it names itself; of a Jetson the board."""
    board = Path("/proc/device-tree/model")  # a Jetson says its name here, and none in cpuinfo
    if board.is_file():
        return board.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    about = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.+)$", about.read_text() if about.is_file() else "", re.MULTILINE)
    return named.group(1) if named else platform.processor() or platform.machine()
