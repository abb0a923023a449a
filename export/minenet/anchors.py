"""Anchor boxes: k-means over the labelled boxes with distance 1 - IoU (the paper's equation 3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError

Anchors = tuple[tuple[float, float], ...]  # (w, h) in pixels of the square, small to large

YOLOV3: Anchors = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
# Six sizes with the paper's width/height ratios (it prints no sizes), for networks made without data.
PAPER_LIKE: Anchors = ((9, 16), (19, 33), (36, 62), (64, 108), (109, 179), (198, 310))


def shape_iou(boxes: npt.NDArray[np.float64], centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IoU of [n, 2] with [k, 2] widths and heights, as if all were centred on one place: [n, k]."""
    shared = np.minimum(boxes[:, None], centres[None]).prod(axis=2)
    return shared / (boxes.prod(axis=1)[:, None] + centres.prod(axis=1)[None] - shared)


def kmeans_anchors(sizes: npt.NDArray[np.float64], count: int = 6, seed: int = 0, starts: int = 10) -> Anchors:
    """`count` anchors for labelled boxes of [n, 2] widths and heights in square pixels.

    The best of several k-means++ starts, by the mean IoU of a box with its anchor.
    """
    if len(np.unique(sizes.round(3), axis=0)) < count:
        raise MineHatError(f"{len(sizes)} boxes are too few, or too alike, for {count} anchors: "
                           "label more pictures, or take --anchors 9.")
    rng = np.random.default_rng(seed)
    tried = [_settled(sizes, _scattered(sizes, count, rng)) for _ in range(starts)]
    best = max(tried, key=lambda centres: shape_iou(sizes, centres).max(axis=1).mean())
    ordered = best[np.argsort(best.prod(axis=1))]
    return tuple((round(float(w), 1), round(float(h), 1)) for w, h in ordered)


def _scattered(sizes: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Starting centres: each next one a box, the likelier the farther it is from those chosen."""
    centres = sizes[rng.integers(len(sizes))][None]
    while len(centres) < count:
        distance = 1 - shape_iou(sizes, centres).max(axis=1)
        centres = np.vstack([centres, sizes[rng.choice(len(sizes), p=distance / distance.sum())]])
    return centres


def _settled(sizes: npt.NDArray[np.float64], centres: npt.NDArray[np.float64],
             rounds: int = 300) -> npt.NDArray[np.float64]:
    """Lloyd's rounds: boxes to their nearest centre, centres to the mean of their boxes, until nothing moves."""
    for _ in range(rounds):
        nearest = shape_iou(sizes, centres).argmax(axis=1)
        moved = np.array([sizes[nearest == k].mean(axis=0) if (nearest == k).any() else centre
                          for k, centre in enumerate(centres)])
        if np.allclose(moved, centres):
            break
        centres = moved
    return centres
