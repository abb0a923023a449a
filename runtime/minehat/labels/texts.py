"""Text files of other people's making."""

from __future__ import annotations

from pathlib import Path

from .faults import Fault, Kind, OnFault


def lines_of(path: Path, kind: Kind, on_fault: OnFault) -> list[tuple[int, str]] | None:
    """The lines that hold something, stripped, with their numbers from 1 on; None, and a fault told, if unreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        on_fault(Fault(kind, path, f"cannot be read as UTF-8 text ({exc})"))
        return None
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
