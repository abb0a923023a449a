"""The findings in figures and in words: a table for people, a dictionary for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .findings import Findings, Seen
from .splits import Split

MOST_LINES = 20  # faults, leaks on a terminal; the page and the JSON file have all


@dataclass(frozen=True)
class Counts:
    """What a split holds."""

    title: str
    form: str  # Pascal VOC, COCO, YOLO
    pictures: int  # that could be decoded
    boxes: dict[str, int]  # by class, ignored ones left out
    ignored: int
    empty: int  # pictures without a box
    median_side: float  # of boxes, pixels of the network's square; nan without boxes
    brightness: float  # median of the pictures' mean grey, 0..255; nan without pictures


def counts_of(found: Findings) -> list[Counts]:
    """The splits in their order."""
    return [_counts(split, [one for one in found.seen if one.split is split], found) for split in found.splits]


def _counts(split: Split, seen: Sequence[Seen], found: Findings) -> Counts:
    kept = [~one.labelled.ignored for one in seen]
    labels = [int(label) for one, rows in zip(seen, kept, strict=True) for label in one.labelled.labels[rows]]
    sides = [side for one, rows in zip(seen, kept, strict=True)
             for side in np.sqrt(one.in_square(found.side)[rows].prod(axis=1))]
    return Counts(split.title, split.scanned.form, len(seen),
                  {name: labels.count(row) for row, name in enumerate(found.classes)},
                  sum(int((~rows).sum()) for rows in kept), sum(len(one.labelled.boxes) == 0 for one in seen),
                  float(np.median(sides)) if sides else np.nan,
                  float(np.median([one.brightness for one in seen])) if seen else np.nan)


def figures_of(found: Findings) -> dict[str, Any]:
    """Counts, and how many faults, leaks and notes of each kind."""
    counts = counts_of(found)
    boxes = {name: sum(one.boxes[name] for one in counts) for name in found.classes}
    return {"clean": found.clean, "pictures": len(found.seen), "boxes": boxes,
            "splits": [{"split": one.title, "form": one.form, "pictures": one.pictures, "boxes": one.boxes,
                        "ignored": one.ignored, "without_boxes": one.empty} for one in counts],
            "faults": _by_kind(fault.kind for fault in found.faults),
            "leaks": _by_kind(leak.twin.relation for leak in found.leaks),
            "notes": _by_kind(note.kind for note in found.notes)}


def listed(found: Findings) -> dict[str, Any]:
    """Every fault, leak and note."""
    return {"faults": [{"kind": fault.kind, "path": str(fault.path), "told": fault.told} for fault in found.faults],
            "leaks": [{"kind": leak.twin.relation, "path": str(leak.second.labelled.path),
                       "of": str(leak.first.labelled.path), "told": leak.told} for leak in found.leaks],
            "notes": [{"kind": note.kind, "path": str(note.path), "told": note.told} for note in found.notes]}


def table_of(found: Findings) -> str:
    """What people read: the splits, the first faults and leaks, and how many notes there are."""
    parts = [_splits_table(found)]
    faults = [f"{fault.kind}: {fault}" for fault in found.faults]
    leaks = [f"{leak.second.labelled.path}: {leak.told}" for leak in found.leaks]
    for told, lines in (("faults", faults), ("leaks between splits", leaks)):
        if lines:
            more = [f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
            parts.append("\n".join([f"{told}: {len(lines)}", *(f"  {line}" for line in lines[:MOST_LINES] + more)]))
    notes = _by_kind(note.kind for note in found.notes)
    if notes:
        parts.append("notes: " + ", ".join(f"{kind} {count}" for kind, count in notes.items()))
    return "\n\n".join(parts)


def _splits_table(found: Findings) -> str:
    header = ["split", "form", "pictures", *found.classes, "ignored", "without boxes", "median box", "median grey"]
    rows = [header, *([one.title, one.form or "-", str(one.pictures), *(str(count) for count in one.boxes.values()),
                       str(one.ignored), str(one.empty), _told(one.median_side, " px"), _told(one.brightness)]
                      for one in counts_of(found))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) if column < 2 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(row, widths, strict=True))) for row in rows)


def _told(value: float, unit: str = "") -> str:
    return "-" if np.isnan(value) else f"{value:.0f}{unit}"


def _by_kind(kinds: Iterable[str]) -> dict[str, int]:
    return dict(Counter(kinds).most_common())
