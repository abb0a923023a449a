"""The best boxes of a picture, as ordinary ONNX operators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .writer import Writer

GREATEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class BestRows:
    """Names of tensors; row k of each is one box, best first. Ties of score come as the runtime's TopK leaves them.

    A row whose scores are not finite comes before all, so that it is seen, not lost; one whose box is not, last.
    """

    ranks: str  # [N, K]: the best score; GREATEST where scores are not finite, -GREATEST where the box is not
    rows: str  # [N, K] int64: where it stood in the network's output
    boxes: str  # [N, K, 4]
    scores: str  # [N, K, C]


def best_rows(write: Writer, boxes: str, scores: str, most: int, classes: int) -> BestRows:
    """Of boxes [N, B, 4] and scores [N, B, C] the `most` rows that score best in any class; most <= B."""
    ranks, rows = write("TopK", ranked(write, boxes, scores), write.constant([most], np.int64), outputs=2, axis=1)
    return BestRows(ranks, rows, write.rows(boxes, rows, 4), write.rows(scores, rows, classes))


def ranked(write: Writer, boxes: str, scores: str) -> str:
    """[N, B]: each box's best score, or how `BestRows.ranks` tells that something is not finite.

    A sum is finite where all are; quarters of four coordinates cannot add up beyond the type's end.
    """
    box_is = _finite(write, write.reduced("Sum", write("Mul", boxes, write.constant(0.25)), 2))
    scores_are = _finite(write, write.reduced("Sum", scores, 2))
    best = write("Where", box_is, write.reduced("Max", scores, 2), write.constant(-GREATEST))
    name: str = write("Where", scores_are, best, write.constant(GREATEST))
    return name


def _finite(write: Writer, x: str) -> str:
    name: str = write("LessOrEqual", write("Abs", x), write.constant(GREATEST))
    return name
