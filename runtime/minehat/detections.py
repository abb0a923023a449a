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
        """The same with boxes cut to a frame of `height` x `width`."""
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
    best = scores.max(axis=1)
    rows = np.flatnonzero(best >= conf)
    rows = rows[np.isfinite(boxes[rows]).all(axis=1)]
    rows = rows[np.argsort(-best[rows], kind="stable")]
    if not len(rows):
        return no_detections()
    candidates = boxes[rows].astype(np.float32)
    labels = scores[rows].argmax(axis=1).astype(np.int64)
    kept = _greedy(candidates, labels, iou, most)
    return Detections(candidates[kept], best[rows[kept]].astype(np.float32), labels[kept])


def overlaps(box: Array, others: Array) -> Array:
    """IoU of one box [4] with [n, 4] others; 0 where both are empty."""
    left_top = np.maximum(box[:2], others[:, :2])
    right_bottom = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(right_bottom - left_top, 0, None), axis=1)
    union = _areas(box[None])[0] + _areas(others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _greedy(boxes: Array, labels: Array, iou: float, most: int) -> list[int]:
    """Rows to keep of boxes that come best first."""
    alive = np.ones(len(boxes), bool)
    kept: list[int] = []
    for row in range(len(boxes)):
        if not alive[row]:
            continue
        kept.append(row)
        if len(kept) == most:
            break
        rest = row + 1 + np.flatnonzero(alive[row + 1:] & (labels[row + 1:] == labels[row]))
        alive[rest[overlaps(boxes[row], boxes[rest]) > iou]] = False
    return kept


def _areas(boxes: Array) -> Array:
    return np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0, None)
