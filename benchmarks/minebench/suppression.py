"""python -m minebench.suppression

Boxes -> kept: ours against plain numpy and OpenCV, on crowds made from a seed. One line of JSON ends it.
Each figure is the median of CPU microseconds, the ways taken by turns, so that a busy machine hits all alike.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.detections import suppress
from minehat.guests import load_cv2
from minehat.tables import print_table

from .machine import machine

Array = npt.NDArray[Any]
CONF, IOU = 0.25, 0.5
CASES = ((20, 20), (20, 3), (300, 300), (300, 30))  # candidates, objects that they lie on
ROUNDS = 300


def crowd(candidates: int, objects: int, boxes: int = 10647, seed: int = 0, side: int = 416) -> tuple[Array, Array]:
    """[boxes, 4] and [boxes, 2] float32 as a network gives them, `candidates` of them over 0.25, around objects."""
    random = np.random.default_rng(seed)
    centres, sizes = random.uniform(0, side, (boxes, 2)), random.uniform(8, 80, (boxes, 2))
    scores = random.uniform(0, 0.02, (boxes, 2)).astype(np.float32)
    rows, which = random.choice(boxes, candidates, replace=False), random.integers(0, objects, candidates)
    places, extents = random.uniform(30, side - 30, (objects, 2)), random.uniform(15, 60, (objects, 2))
    centres[rows] = places[which] + random.normal(0, 2, (candidates, 2))
    sizes[rows] = extents[which] * np.exp(random.normal(0, 0.08, (candidates, 2)))
    scores[rows, which % 2] = random.uniform(0.3, 0.95, candidates)
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], 1).astype(np.float32), scores


def naive(boxes: Array, scores: Array, conf: float, iou: float, most: int = 300) -> tuple[Array, Array, Array]:
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
            low, high = np.maximum(boxes[first, :2], boxes[waiting, :2]), np.minimum(boxes[first, 2:],
                                                                                    boxes[waiting, 2:])
            shared = np.maximum(high - low, 0).prod(axis=1)
            waiting = waiting[shared / (areas[first] + areas[waiting] - shared) <= iou]
    kept = sorted(kept, key=lambda row: (-best[row], row))[:most]
    return boxes[kept].astype(np.float32), best[kept], labels[kept]


def by_opencv(boxes: Array, scores: Array, conf: float, iou: float) -> Array:
    """cv2.dnn.NMSBoxesBatched on what is over the threshold; float32 inside, so ties may go another way."""
    rows = np.unique(np.flatnonzero(scores.reshape(-1) >= conf) // scores.shape[1])
    near, labels = boxes[rows], scores[rows].argmax(axis=1)
    sides = np.concatenate([near[:, :2], near[:, 2:] - near[:, :2]], axis=1)
    kept = load_cv2("compare suppression").dnn.NMSBoxesBatched(sides, scores[rows].max(axis=1), labels, conf, iou)
    return rows[np.asarray(kept, np.int64).reshape(-1)]


def measured(candidates: int, objects: int, rounds: int = ROUNDS) -> dict[str, float]:
    """CPU microseconds of each way, and how many boxes were kept. Raises where ours and naive keep different ones."""
    boxes, scores = crowd(candidates, objects)
    found, wanted = suppress(boxes, scores, CONF, IOU), naive(boxes, scores, CONF, IOU)
    if not all(np.array_equal(*pair) for pair in zip((found.boxes, found.scores, found.labels), wanted, strict=True)):
        raise RuntimeError("ours and naive suppression keep different boxes")
    ways: dict[str, Callable[..., object]] = {"ours": suppress, "naive": naive, "opencv": by_opencv}
    taken: dict[str, list[int]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time_ns()
            way(boxes, scores, CONF, IOU)
            taken[name].append(time.process_time_ns() - start)
    return {name: float(np.median(each)) / 1000 for name, each in taken.items()} | {"kept": len(found)}


def main() -> int:
    rows = [{"candidates": candidates, "objects": objects, **measured(candidates, objects)}
            for candidates, objects in CASES]
    for row in rows:
        row["ratio"] = row["ours"] / row["naive"]
    print_table(["candidates", "kept", "ours us", "naive us", "OpenCV us", "ours / naive"],
                [[str(row["candidates"]), str(row["kept"]), *(f"{row[way]:.0f}" for way in ("ours", "naive", "opencv")),
                  f"{row['ratio']:.3f}"] for row in rows])
    print(json.dumps({"machine": machine(), "rows": rows}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
