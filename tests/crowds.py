"""Crowds of boxes as networks give them, and what plain numpy keeps of them."""

from __future__ import annotations

import numpy as np


def crowd(candidates: int, objects: int, boxes: int = 10647, seed: int = 0,
          side: int = 416) -> tuple[np.ndarray, np.ndarray]:
    """[boxes, 4] and [boxes, 2] float32, `candidates` of them over 0.25, around objects of one class each."""
    random = np.random.default_rng(seed)
    centres, sizes = random.uniform(0, side, (boxes, 2)), random.uniform(8, 80, (boxes, 2))
    scores = random.uniform(0, 0.02, (boxes, 2)).astype(np.float32)
    rows, which = random.choice(boxes, candidates, replace=False), random.integers(0, objects, candidates)
    places, extents = random.uniform(30, side - 30, (objects, 2)), random.uniform(15, 60, (objects, 2))
    centres[rows] = places[which] + random.normal(0, 2, (candidates, 2))
    sizes[rows] = extents[which] * np.exp(random.normal(0, 0.08, (candidates, 2)))
    scores[rows, which % 2] = random.uniform(0.3, 0.95, candidates)
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], 1).astype(np.float32), scores


def naive(boxes: np.ndarray, scores: np.ndarray, conf: float, iou: float,
          most: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What one writes down first: label and order of all boxes, then class by class. boxes, scores, labels kept."""
    labels, best = scores.argmax(axis=1), scores.max(axis=1)
    order = np.argsort(-best, kind="stable")
    boxes = boxes.astype(np.float64)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    for label in range(scores.shape[1]):
        waiting = order[(labels[order] == label) & (best[order] >= conf)]
        while len(waiting):
            first, waiting = waiting[0], waiting[1:]
            kept.append(int(first))
            low = np.maximum(boxes[first, :2], boxes[waiting, :2])
            high = np.minimum(boxes[first, 2:], boxes[waiting, 2:])
            shared = np.maximum(high - low, 0).prod(axis=1)
            waiting = waiting[shared / (areas[first] + areas[waiting] - shared) <= iou]
    kept = sorted(kept, key=lambda row: (-best[row], row))[:most]
    return boxes[kept].astype(np.float32), best[kept], labels[kept]
