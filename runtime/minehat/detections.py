"""What was seen in one frame, and the suppression that leaves one box for each head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST = 300  # detections a frame


@dataclass(frozen=True)
class Detections:
    """Row i of every column is the same object; `found[found.scores > 0.6]` works."""

    boxes: Array  # [n, 4] float32: x0 y0 x1 y1, pixels of the frame
    scores: Array  # [n] float32, 0 to 1
    labels: Array  # [n] int64, rows of ModelCard.classes

    def __post_init__(self) -> None:
        if not len(self.boxes) == len(self.scores) == len(self.labels):
            raise ValueError("columns of Detections differ in length: "
                             f"{len(self.boxes)}, {len(self.scores)}, {len(self.labels)}")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Any) -> Detections:
        """Choose rows by a mask, an index array or a slice; the order is kept."""
        rows = np.atleast_1d(rows) if not isinstance(rows, slice) else rows
        return Detections(self.boxes[rows], self.scores[rows], self.labels[rows])

    def clipped(self, height: int, width: int) -> Detections:
        """The same with boxes cut to a frame of `height` x `width`; of those outside nothing is left but an edge."""
        limits = np.array([width, height, width, height], np.float32)
        return Detections(np.clip(self.boxes, 0, limits), self.scores, self.labels)


def no_detections() -> Detections:
    """Nothing seen."""
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def suppress(boxes: Array, scores: Array, conf: float, iou: float, most: int = MOST) -> Detections:
    """Greedy suppression per class.

    boxes: [B, 4] x0 y0 x1 y1 in any one space. scores: [B, C], 0 to 1. A box bears one label, its
    highest score (ties: the lower class). Kept: score >= conf, and IoU <= iou with every better box
    of its class. Ordered by score, then by row; at most `most`. Boxes that are not finite are dropped.
    """
    rows, best, labels = _candidates(scores, conf)
    return suppressed(Detections(boxes[rows], best, labels), iou, most)


def suppressed(found: Detections, iou: float, most: int = MOST) -> Detections:
    """The same suppression for boxes that bear one label each already, in any order and any one space."""
    found = found[np.isfinite(found.boxes).all(axis=1)]
    found = found[np.argsort(-found.scores, kind="stable")]
    kept = found[np.array(_greedy(found.boxes, found.labels, iou, most), np.int64)]
    return Detections(kept.boxes.astype(np.float32), kept.scores.astype(np.float32), kept.labels)


def overlaps(box: Array, others: Array) -> Array:
    """IoU of one box [4] with [n, 4] others, float64 [n]; 0 where both are empty."""
    box, others = box.astype(np.float64), others.astype(np.float64)
    return _overlaps(box, others, _areas(box[None])[0], _areas(others))


def _candidates(scores: Array, conf: float) -> tuple[Array, Array, Array]:
    """Rows with a score >= conf, their best scores and labels. A row with a NaN is none.

    The threshold comes first, over one flat array: nearly all rows end there.
    """
    rows = np.unique(np.flatnonzero(scores.reshape(-1) >= conf) // scores.shape[1])
    best = scores[rows].max(axis=1)
    rows, best = rows[best >= conf], best[best >= conf]
    return rows, best, scores[rows].argmax(axis=1).astype(np.int64)


def _greedy(boxes: Array, labels: Array, iou: float, most: int) -> list[int]:
    """Rows to keep of boxes that come best first."""
    boxes = boxes.astype(np.float64)  # areas of boxes far outside the square overflow float32
    areas = _areas(boxes)
    waiting = np.arange(len(boxes))
    kept: list[int] = []
    while len(waiting) and len(kept) < most:
        first, waiting = waiting[0], waiting[1:]
        kept.append(int(first))
        shared = _overlaps(boxes[first], boxes[waiting], areas[first], areas[waiting])
        waiting = waiting[(shared <= iou) | (labels[waiting] != labels[first])]
    return kept


def _overlaps(box: Array, others: Array, area: float, areas: Array) -> Array:
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared: Array = np.maximum(width, 0) * np.maximum(height, 0)
    union = area + areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _areas(boxes: Array) -> Array:
    areas: Array = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    return areas
