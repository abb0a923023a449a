"""Small files of the kernel, which may be absent, forbidden, or refuse to answer while a part sleeps."""

from __future__ import annotations

from pathlib import Path


def text(path: Path) -> str | None:
    """The file's words, None where it does not answer."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
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
