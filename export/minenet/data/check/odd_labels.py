"""Labels that can be right, but are worth a look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from minehat.labels import Labelled
from minehat.scoring.matching import overlap_table

TINY = 4.0  # pixels of the network's square; a shorter side is below half a cell of the finest map
NARROW, BROAD = 0.25, 3.0  # width over height of a head that is cut or lies down; farther out is odd
ONE_PLACE = 0.7  # IoU from which boxes of two classes are about one head
TWICE = 0.9  # IoU from which boxes of one class are
Sides = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Odd:
    """What is odd about some boxes of a picture."""

    kind: str
    told: str
    rows: tuple[int, ...]  # boxes


def odd_labels(labelled: Labelled, in_square: Sides) -> Iterator[Odd]:
    """in_square: widths and heights [n, 2] of the boxes in pixels of the network's square. Ignored ones are let be."""
    kept = np.nonzero(~labelled.ignored)[0]
    shorter, ratio = in_square[kept].min(axis=1, initial=np.inf), in_square[kept, 0] / in_square[kept, 1]
    tiny = kept[shorter < TINY]
    if len(tiny):
        least = kept[shorter.argmin()]
        yield _odd("tiny box", f"{_box(labelled, least)} is {shorter.min():.1f} pixels short in the network's square",
                   tiny, 1)
    odd = kept[(ratio < NARROW) | (ratio > BROAD)]
    if len(odd):
        yield _odd("odd shape", f"{_box(labelled, odd[0])} is {_times(*in_square[odd[0]])}", odd, 1)
    yield from _stacked(labelled, kept)


def _stacked(labelled: Labelled, kept: Rows) -> Iterator[Odd]:
    """Boxes that lie on each other."""
    overlap = np.triu(overlap_table(labelled.boxes[kept], labelled.boxes[kept]), 1)
    labels = labelled.labels[kept]
    other = labels[:, None] != labels[None]
    for kind, found in (("two classes at one place", other & (overlap >= ONE_PLACE)),
                        ("box twice", ~other & (overlap >= TWICE))):
        pairs = kept[np.argwhere(found)]
        if len(pairs):
            one, two = pairs[0]
            yield _odd(kind, f"{_box(labelled, one)} and {_box(labelled, two)}", np.unique(pairs), 2)


def _odd(kind: str, told: str, rows: Rows, named: int) -> Odd:
    """named: how many of the boxes `told` names."""
    more = f"; {len(rows)} boxes of this kind in all" if len(rows) > named else ""
    return Odd(kind, told + more, tuple(rows.tolist()))


def _box(labelled: Labelled, row: int) -> str:
    return "box " + " ".join(f"{side:.0f}" for side in labelled.boxes[row])


def _times(width: float, height: float) -> str:
    if width > height:
        return f"{width / height:.1f} times as wide as high"
    return f"{height / width:.1f} times as high as wide"
