"""Small files of the kernel, which may be absent, forbidden, or refuse to answer while a part sleeps."""

from __future__ import annotations

import os
from pathlib import Path

PIECE = 1 << 16  # bytes


def text(path: Path) -> str | None:
    """The file's words, None where it does not answer.

    Read past Python's files: a thermal zone of a part that sleeps answers EAGAIN, of which they make a TypeError.
    """
    try:
        return _raw(path).decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return None


def number(path: Path) -> float | None:
    """The file's number, None where there is none."""
    try:
        return float(text(path) or "")
    except ValueError:
        return None


def hwmons(root: Path) -> list[tuple[str, Path]]:
    """Name and folder of every hardware monitor."""
    folders = sorted((root / "sys/class/hwmon").glob("hwmon*"))
    return [(text(folder / "name") or "", folder) for folder in folders]


def _raw(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(handle, PIECE), b""))
    finally:
        os.close(handle)
