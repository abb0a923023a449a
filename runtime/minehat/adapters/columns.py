"""From another's classes to ours: which columns of the scores make each class; several are merged by their maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import MineHatError
from ..labels.class_map import ClassMap
from .graft import Graft

OURS = ("helmet", "head")


@dataclass(frozen=True)
class Columns:
    """Our classes, and the foreign columns that each is made of."""

    classes: tuple[str, ...]
    of: tuple[tuple[int, ...], ...]


def columns_for(names: Sequence[str], mapping: ClassMap) -> Columns:
    """helmet and head first, the others as they stand. Raises MineHatError for a map that does not fit the names."""
    _check(names, mapping)
    meant: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        stands_for = mapping("", name)
        if stands_for is not None:
            meant.setdefault(stands_for, []).append(column)
    if not meant:
        raise MineHatError(f"--map leaves no class of {listed(names)}. Keep one at least.")
    ordered = sorted(meant, key=lambda name: OURS.index(name) if name in OURS else len(OURS))
    return Columns(tuple(ordered), tuple(tuple(meant[name]) for name in ordered))


def chosen(graft: Graft, scores: str, columns: Columns, foreign_classes: int) -> str:
    """[N, B, foreign classes] -> [N, B, our classes], in the graph."""
    if columns.of == tuple((column,) for column in range(foreign_classes)):
        return scores
    widest = max(map(len, columns.of))
    picks = [[group[min(turn, len(group) - 1)] for group in columns.of] for turn in range(widest)]
    gathered = [graft("Gather", scores, graft.ints(*pick), axis=2) for pick in picks]
    return gathered[0] if widest == 1 else graft("Max", *gathered)


def _check(names: Sequence[str], mapping: ClassMap) -> None:
    unknown = [name for name in mapping.classes if name not in names]
    if unknown:
        raise MineHatError(f"--map {unknown[0]}={mapping.classes[unknown[0]]}: the model has no class {unknown[0]}, "
                           f"only {listed(names)}.")
    mapping.check((*OURS, *names))


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for people, of many only the first."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
