"""How a pick is spread, as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .content import KINDS
from .looks import EDGES, Look

MOST_SOURCES = 20  # rows
BANDS = (*(f"<{edge}" for edge in EDGES), "more")  # of brightness, mean grey of 0..255


def spread_table(chosen: Sequence[Look]) -> str:
    """How many of each source, by band of brightness and, where a model looked, by content."""
    sources: dict[str, Counter[str]] = {}
    for look in chosen:
        sources.setdefault(look.footage.source, Counter()).update(_marks(look))
    total = sum(sources.values(), Counter())
    columns = [name for name in (*BANDS, *KINDS) if total[name]]
    shown = [*list(sources.items())[:MOST_SOURCES], *([("all sources", total)] if len(sources) > 1 else [])]
    rows = [["picked", *columns, "all"],
            *([_end(name), *(str(marks[column] or "-") for column in (*columns, "all"))] for name, marks in shown)]
    first = max(len(row[0]) for row in rows)
    return "\n".join(row[0].ljust(first) + "".join(cell.rjust(8) for cell in row[1:]) for row in rows)


def _marks(look: Look) -> list[str]:
    return ["all", BANDS[look.band], *([look.content.kind] if look.content else [])]


def _end(name: str) -> str:
    """The end of a long path."""
    return name if len(name) <= 40 else f"...{name[-37:]}"
