"""What the disk is asked: to have written, and how much room there is."""

from __future__ import annotations

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Return when a file's content, or a folder's names, are on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(folder: Path) -> int:
    """What may still be written into the folder's file system."""
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize


def is_read_only(folder: Path) -> bool:
    """Whether nothing can be written there now, however much room there is."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY) or not os.access(folder, os.W_OK)
    except OSError:
        return True


def used_share(folder: Path) -> float:
    """How full it is, 0 to 1, as `df` tells it."""
    told = os.statvfs(folder)
    used = told.f_blocks - told.f_bfree
    return used / max(1, used + told.f_bavail)
