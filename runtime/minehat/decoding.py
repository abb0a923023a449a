"""Raw maps -> boxes outside the graph, for those places alone whose objectness can reach the threshold.

A map is [a * (5 + C), h, w]: for each of its a anchors tx ty tw th, objectness, a logit for each class. A place
(anchor, row, column) of a map whose cells are `stride` pixels wide says
    centre = (sigmoid(t) * reach - (reach - 1) / 2 + cell) * stride
    side = exp(min(t, 6)) * anchor
    scores = sigmoid(objectness) * sigmoid(classes)
as `minenet.network.decode` does inside the graph. No score is over sigmoid(objectness), so a threshold on scores is one
on that logit, and all but a few places end there, unread but for one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .card import ModelCard

Array = npt.NDArray[Any]
LARGEST_EXPONENT = 6.0
LEAST_LOGIT = -700.0  # exp of less overflows float64
SLACK = 1e-6  # of a score, for the rounding of what is compared


def boxes_over(maps: Sequence[Array], card: ModelCard, conf: float) -> tuple[Array, Array]:
    """Places of one picture that may reach `conf`: boxes [n, 4] x0 y0 x1 y1 in square pixels, scores [n, C], float32.

    maps: float32 [a * (5 + C), h, w] each, fine to coarse. All places with a score >= conf are among them, in the
    order that a graph with decode inside gives them: by map, anchor, row, column.
    """
    floor, each = _logit(conf - SLACK), len(card.anchors) // len(maps)
    values, rows, first = [], [], 0
    for raw in maps:
        grid = raw.reshape(each, 5 + len(card.classes), -1)
        over = np.flatnonzero(grid[:, 4] >= floor)
        if len(over):
            anchor, cell = np.divmod(over, grid.shape[2])
            values.append(grid[anchor, :, cell])
            rows.append(over + first)
        first += each * grid.shape[2]
    if not rows:
        return np.zeros((0, 4), np.float32), np.zeros((0, len(card.classes)), np.float32)
    where = _places(tuple(raw.shape[1:] for raw in maps), card.anchors, card.reach, card.height)
    return _decoded(np.concatenate(values).astype(np.float64), where[np.concatenate(rows)])


def channels_of(card: ModelCard) -> int:
    """How many channels each map has, by its card."""
    return len(card.anchors) // len(card.outputs) * (5 + len(card.classes))


def is_map(shape: tuple[int, ...], card: ModelCard) -> bool:
    """Whether [channels, h, w] is a map of that card: cells are as wide as they are high, whole pixels."""
    if len(shape) != 3 or shape[0] != channels_of(card) or min(shape) < 1:
        return False
    return divmod(card.height, shape[1]) == divmod(card.width, shape[2]) and not card.height % shape[1]


def _decoded(values: Array, where: Array) -> tuple[Array, Array]:
    """Boxes and scores of values [n, 5 + C] as they stand in the maps; where: their rows of `_places`."""
    shares = 1 / (1 + np.exp(-np.maximum(values, LEAST_LOGIT)))
    centres = shares[:, :2] * where[:, 2:3] + where[:, :2]
    halves = np.exp(np.minimum(values[:, 2:4], LARGEST_EXPONENT)) * where[:, 3:]
    boxes = np.empty((len(values), 4), np.float32)
    boxes[:, :2], boxes[:, 2:] = centres - halves, centres + halves
    return boxes, (shares[:, 4:5] * shares[:, 5:]).astype(np.float32)


@lru_cache(maxsize=8)
def _places(shapes: tuple[tuple[int, ...], ...], anchors: tuple[tuple[float, float], ...], reach: float,
            height: int) -> Array:
    """For each place of maps of those shapes [h, w], float64 [B, 5]: the least x and y that its centre can have, how
    far it can go from there, half the anchor's width and height; all in pixels of the square.
    """
    each, found = len(anchors) // len(shapes), []
    for row, (high, wide) in enumerate(shapes):
        stride = height // high
        for anchor in anchors[row * each:(row + 1) * each]:
            part = np.empty((high, wide, 5))
            part[..., 0] = (np.arange(wide) - (reach - 1) / 2) * stride
            part[..., 1] = (np.arange(high)[:, None] - (reach - 1) / 2) * stride
            part[..., 2:] = reach * stride, anchor[0] / 2, anchor[1] / 2
            found.append(part.reshape(-1, 5))
    return np.concatenate(found)


def _logit(score: float) -> float:
    """The logit whose sigmoid is `score`; of 0 and less minus infinity."""
    return math.log(score / (1 - score)) if score > 0 else -math.inf
