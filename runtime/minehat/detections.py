"""What was seen in one frame, and the suppression that leaves one box for each head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST = 300  # detections a frame
STEP = 64_000  # bytes of what is worked out at once: a frame wants no array of 64 KB
TINY = float(np.finfo(np.float64).tiny)
AT_ONCE = 24  # of the best, where not all can be; many of them only suppress each other
_NOBODY = np.zeros(0, np.int64)


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
    rows = _rows_over(scores, conf)
    if not len(rows):
        return no_detections()
    near = scores.take(rows, axis=0)
    labels = near.argmax(axis=1)  # of a NaN, where there is one
    best = near[np.arange(len(rows)), labels]
    sound = best >= conf
    if not sound.all():
        rows, best, labels = rows[sound], best[sound], labels[sound]
    return _suppressed(boxes.take(rows, axis=0), best, labels, iou, most)


def suppressed(found: Detections, iou: float, most: int = MOST) -> Detections:
    """The same suppression for boxes that bear one label each already, in any order and any one space."""
    return _suppressed(found.boxes, found.scores, found.labels, iou, most)


def _suppressed(boxes: Array, scores: Array, labels: Array, iou: float, most: int) -> Detections:
    finite = np.isfinite(boxes)
    if not finite.all():
        rows = finite.all(axis=1)
        boxes, scores, labels = boxes[rows], scores[rows], labels[rows]
    order = np.argsort(-scores, kind="stable")
    kept = order.take(_greedy(_measured(boxes.take(order, axis=0).T), labels.take(order), iou, most))
    return Detections(boxes.take(kept, axis=0).astype(np.float32, copy=False),
                      scores.take(kept).astype(np.float32, copy=False),
                      labels.take(kept).astype(np.int64, copy=False))


def overlaps(box: Array, others: Array) -> Array:
    """IoU of one box [4] with [n, 4] others, float64 [n]; 0 where both are empty."""
    return _overlaps(_measured(box[None].T)[:, :1], _measured(others.T))


def _rows_over(scores: Array, conf: float) -> Array:
    """Rows with a score >= conf, ascending.

    The threshold comes first, over one flat array: nearly all rows end there.
    """
    flat, rows = scores.reshape(-1), []
    for first in range(0, len(flat), STEP):
        places = (flat[first:first + STEP] >= conf).nonzero()[0]
        if len(places):
            rows.append((places + first) // scores.shape[1])
    if not rows:
        return _NOBODY
    found: Array = rows[0] if len(rows) == 1 else np.concatenate(rows)
    new = np.ones(len(found), bool)
    np.not_equal(found[1:], found[:-1], out=new[1:])
    return found[new]


def _greedy(columns: Array, labels: Array, iou: float, most: int) -> Array:
    """Which to keep of n boxes, the best first, as `_measured` gives them: int64, ascending.

    The best are held against all that wait, as many at once as memory allows, and then settled one by one.
    """
    waiting: Array = np.arange(len(labels))
    found: list[int] = []
    while len(waiting) and len(found) < most:
        room = STEP // 8 // len(waiting)
        leading = len(waiting) if len(waiting) <= room else max(1, min(room, AT_ONCE))
        rivals = _overlaps(columns[:, :leading, None], columns[:, None]) > iou
        rivals &= labels[:leading, None] == labels
        spared, stay = _settled(rivals)
        found += waiting.take(spared).tolist()
        waiting, columns, labels = waiting.take(stay), columns.take(stay, axis=1), labels.take(stay)
    return np.array(found[:most], np.int64)


def _settled(rivals: Array) -> tuple[list[int], Array]:
    """Whom greedy keeps of the first k, and who waits on behind them.

    rivals: bool [k, n], row i would suppress column j where that one is worse. Rows are read as whole numbers, bit j
    for column j, as arithmetic on those is quicker than numpy on a row.
    """
    leading, count = rivals.shape
    packed = np.packbits(rivals, axis=1, bitorder="little")
    width, bits = packed.shape[1], packed.tobytes()
    gone, spared = 0, []
    for row in range(leading):
        if not gone >> row & 1:
            spared.append(row)
            gone |= int.from_bytes(bits[row * width:(row + 1) * width], "little")
    if leading == count:
        return spared, _NOBODY
    marks = np.frombuffer(gone.to_bytes(width, "little"), np.uint8)
    left = np.unpackbits(marks, bitorder="little", count=count)[leading:] == 0
    return spared, np.flatnonzero(left) + leading


def _overlaps(some: Array, others: Array) -> Array:
    """IoU of measured boxes [5, ...] with others, as they broadcast; 0 where both are empty."""
    shared = _shared(some[0], some[2], others[0], others[2])
    shared *= _shared(some[1], some[3], others[1], others[3])
    union = some[4] + others[4]
    union -= shared
    shared /= np.maximum(union, TINY, out=union)
    return shared


def _shared(low: Array, high: Array, other_low: Array, other_high: Array) -> Array:
    """What two stretches of a line have in common."""
    length: Array = np.minimum(high, other_high)
    length -= np.maximum(low, other_low)
    return np.maximum(length, 0, out=length)


def _measured(edges: Array) -> Array:
    """[4, n] x0 y0 x1 y1 -> float64 [5, n], the areas below; float32 would overflow far outside the square."""
    columns = np.empty((5, edges.shape[1]))
    columns[:4] = edges
    wide, high = np.maximum(columns[2:4] - columns[:2], 0)
    np.multiply(wide, high, out=columns[4])
    return columns
