"""One label for each head: a network may see a helmet and a bare head in one place."""

from __future__ import annotations

import numpy as np
from minehat.detections import Detections

from .motion import Array

COVERED = 0.7  # share of the smaller box that lies in the larger: the two show one head ...
ALIKE = 0.3  # ... unless the smaller one has less than this share of the larger one's area


def settled(found: Detections, helmet: int, head: int) -> Detections:
    """Of a helmet and a head in one place the better-scored stays, ties the head. helmet, head: their labels.

    In one place: at least 0.7 of the smaller box lies in the larger, and it has at least 0.3 of its
    area; a small head inside a large helmet box is somebody farther off.
    """
    helmets, heads = (np.flatnonzero(found.labels == label) for label in (helmet, head))
    if not len(helmets) or not len(heads):
        return found
    same = _one_place(found.boxes[heads], found.boxes[helmets])
    head_wins = found.scores[heads][:, None] >= found.scores[helmets][None]
    kept = np.ones(len(found), bool)
    kept[heads] = ~(same & ~head_wins).any(axis=1)
    kept[helmets] = ~(same & head_wins).any(axis=0)
    return found[kept]


def _one_place(boxes: Array, others: Array) -> Array:
    """[n, m] bool: box i of [n, 4] and box j of [m, 4] show one person's head."""
    left_top = np.maximum(boxes[:, None, :2], others[None, :, :2])
    right_bottom = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(right_bottom - left_top, 0, None), axis=2)
    areas, other_areas = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, others))
    smaller = np.minimum(areas[:, None], other_areas[None])
    larger = np.maximum(areas[:, None], other_areas[None])
    alike: Array = (shared >= COVERED * smaller) & (smaller >= ALIKE * larger)
    return alike
