"""Room on disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .finding import FAULT, WARNING, WELL, Finding

LEAST, LITTLE = 0.2, 2.0  # GB that are free
FULL, NEARLY = 0.99, 0.92  # of the disk that is taken, as `df` tells it; the watch begins to clear at 0.9
FREE = "Free some room: `sudo du -xh -d 2 {place} | sort -h | tail` shows who takes it"


def room(place: Path, what: str, why: str) -> Iterator[Finding]:
    """How full the disk is that a folder lies on. why: what a full one would stop, a sentence."""
    told = os.statvfs(place)
    free, size = told.f_bavail * told.f_frsize / 1e9, told.f_blocks * told.f_frsize / 1e9
    used = told.f_blocks - told.f_bfree
    share = used / max(1, used + told.f_bavail)
    factor, unit = (1, "GB") if size >= 1 else (1000, "MB")
    text = f"{factor * free:.1f} of {factor * size:.1f} {unit} are free"
    cure = FREE.format(place=place)
    if told.f_files and not told.f_favail:
        yield Finding(what, FAULT, f"{text}, but no file more can be made", why,
                      f"Delete small files: `sudo du -x --inodes -d 2 {place} | sort -n | tail` shows where they are")
    elif told.f_blocks and (share >= FULL or free < LEAST):
        yield Finding(what, FAULT, f"full: {text}", why, cure)
    elif told.f_blocks and (free < LITTLE or (share >= NEARLY and free < 10 * LITTLE)):
        yield Finding(what, WARNING, f"nearly full: {text}", why, cure)
    else:
        yield Finding(what, WELL, text)
