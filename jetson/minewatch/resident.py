"""How much memory this process holds."""

from __future__ import annotations

import os


def resident_bytes() -> int:
    """Of physical memory; 0 where the kernel does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
