"""What splits are called, by whom."""

from __future__ import annotations

_VAL = ("val", "valid", "validation")


def called(split: str) -> tuple[str, ...]:
    """The names that a split goes by, the one asked for first."""
    return (split, *(other for other in _VAL if other != split)) if split in _VAL else (split,)
