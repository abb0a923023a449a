"""Pascal VOC's average precision at IoU 0.5, as its challenges of 2010 and later define it.

Two things differ from COCO's: the area under the curve is exact, not sampled at 101 recalls; and a detection stands
for the truth that it covers best even where another detection has taken that one already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import Detections
from ..labels import Labelled
from .matching import MATCH_IOU, asked_for, overlap_table

Array = npt.NDArray[Any]
HIT, FALSE, NEITHER = 1, 0, -1


def voc_ap50(found: Sequence[Detections], truths: Sequence[Labelled], label: int) -> float | None:
    """The area under the precision-recall curve of one class; None where it has no truth.

    Precision is the highest at that recall or above. What lies on an ignored truth of the class counts neither way.
    """
    wanted = sum(int(asked_for(truth, label).sum()) for truth in truths)
    if not wanted:
        return None
    marks, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for seen, truth in zip(found, truths, strict=True):
        ours = seen[seen.labels == label]
        marks.append(_marks(ours, truth.boxes[truth.labels == label], truth.ignored[truth.labels == label]))
        scores.append(ours.scores)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    ranked = np.concatenate(marks)[order]
    return _area(ranked[ranked != NEITHER], wanted)


def _marks(seen: Detections, boxes: Array, ignored: Array) -> Array:
    """[n] HIT, FALSE or NEITHER for one picture's detections and truths of one class."""
    marks = np.full(len(seen), FALSE)
    shares = overlap_table(seen.boxes, boxes)
    taken = np.zeros(len(boxes), bool)
    for row in np.argsort(-seen.scores, kind="stable"):
        best = int(shares[row].argmax()) if len(boxes) else -1
        if best >= 0 and shares[row, best] >= MATCH_IOU:
            if ignored[best]:
                marks[row] = NEITHER
            elif not taken[best]:
                marks[row], taken[best] = HIT, True
    return marks


def _area(hits: Array, wanted: int) -> float:
    """hits: [n] 1 or 0, best score first."""
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits == HIT].sum() / wanted)
