"""A row as people read it on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .outcome import PASSED, Row

NAME, STATUS = 44, 8  # columns


def told(row: Row) -> str:
    """One line: what, how it ended, how long it took, and its figures or the reason."""
    rest = "  ".join(_figures(row.figures)) if row.status == PASSED else row.reason
    return f"{row.name:{NAME}} {row.status:{STATUS}} {row.seconds:6.1f} s  {rest}".rstrip()


def _figures(figures: Mapping[str, Any], before: str = "") -> list[str]:
    """The plain ones; of timings the median; of what lies deeper one level."""
    words = []
    for name, value in figures.items():
        if isinstance(value, Mapping) and "p50" in value:
            words.append(f"{before}{name} {value['p50']:g}")
        elif isinstance(value, Mapping) and not before:
            words += _figures(value, f"{name} ") if len(value) <= 6 else [f"{name} of {len(value)}"]
        elif isinstance(value, (int, float, str)):
            words.append(f"{before}{name} {value:.4g}" if isinstance(value, float) else f"{before}{name} {value}")
    return words
