"""What is sought, as the condition of an SQL query on `events AS e`."""

from __future__ import annotations

from typing import Any

from .records import Sought

ENDED = ("EXISTS (SELECT 1 FROM events AS x "
         "WHERE x.incident = e.incident AND x.incident != '' AND x.opens = 0)")  # the index is of these alone
ACKNOWLEDGED = "EXISTS (SELECT 1 FROM audit AS a WHERE a.seq = e.seq AND a.action = 'acknowledged')"


def condition(sought: Sought) -> tuple[str, list[Any]]:
    """An expression that begins with AND, or is empty, and its parameters."""
    parts: list[str] = []
    values: list[Any] = []
    for text, value in (("e.camera = ?", sought.camera), ("e.zone = ?", sought.zone), ("e.time >= ?", sought.since),
                        ("e.time < ?", sought.until), ("e.loud = ?", sought.loud)):
        if value is not None:
            parts.append(text)
            values.append(int(value) if isinstance(value, bool) else value)
    if sought.kinds:
        parts.append(f"e.kind IN ({', '.join('?' * len(sought.kinds))})")
        values.extend(sought.kinds)
    if sought.open is not None:
        parts.append(f"e.opens = 1 AND {'NOT ' if sought.open else ''}{ENDED}")
    if sought.acknowledged is not None:
        parts.append(f"{'' if sought.acknowledged else 'NOT '}{ACKNOWLEDGED}")
    return "".join(f" AND {part}" for part in parts), values
