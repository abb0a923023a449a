"""A part of many pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def spread(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most `limit` of the items, evenly over their whole length, so that every source is in it."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[row * len(items) // limit] for row in range(limit)]
