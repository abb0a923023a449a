"""Tables for people, on stderr: the first column to the left, figures to the right."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns to stderr. Every row has as many cells as the header."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]), file=sys.stderr)


def percent(fraction: float | None) -> str:
    """A fraction as people say it, 0.7134 -> 71.3; a dash where there is none."""
    return "-" if fraction is None else f"{100 * fraction:.1f}"
