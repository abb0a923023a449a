"""Box sizes, shapes and pictures of labelled sets as columns of numbers, and the anchors that fit them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError

from minenet.anchors import Anchors, kmeans_anchors, shape_iou
from minenet.data.batches import A_PICTURE

from .findings import Findings

Column = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Measures:
    """Two tables; row i of every column is the same box, or the same picture. Ignored boxes are left out."""

    sides: Column  # [n, 2] width and height of boxes, pixels of the network's square
    shares: Column  # [n] side of a box in shares of the picture's: square roots of areas
    names: Words  # [n] classes
    trained: npt.NDArray[np.bool_]  # [n], of a train split
    asked: npt.NDArray[np.bool_]  # [n], of those that a picture gives to choose anchors by
    splits: Words  # [m] titles
    heads: Column  # [m] boxes in a picture
    brightness: Column  # [m] mean grey, 0..255

    @property
    def ratio(self) -> Column:
        """[n] width over height."""
        return np.asarray(self.sides[:, 0] / self.sides[:, 1])

    @property
    def side(self) -> Column:
        """[n] side of a square as large as the box, pixels of the network's square."""
        return np.sqrt(self.sides.prod(axis=1))


@dataclass(frozen=True)
class Fit:
    """The anchors that training would choose, and how well boxes fit them."""

    anchors: Anchors
    iou: float  # mean over boxes, with the best anchor of each, as if centred on it


def measures_of(found: Findings) -> Measures:
    """Measure all pictures."""
    sides, shares, names = [np.zeros((0, 2))], [np.zeros(0)], [np.zeros(0, np.str_)]
    trained, asked = [np.zeros(0, bool)], [np.zeros(0, bool)]
    rng = np.random.default_rng(0)
    for one in found.seen:
        kept = ~one.labelled.ignored
        boxes = one.labelled.boxes[kept].astype(np.float64)
        sides.append(one.in_square(found.side)[kept])
        shares.append(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) / (one.size[0] * one.size[1])))
        names.append(np.array(found.classes)[one.labelled.labels[kept]])
        count = int(kept.sum())
        trained.append(np.full(count, one.split.group == "train"))
        asked.append(rng.permutation(count) < A_PICTURE)
    return Measures(np.concatenate(sides), np.concatenate(shares), np.concatenate(names), np.concatenate(trained),
                    np.concatenate(asked),
                    np.array([one.split.title for one in found.seen], np.str_),
                    np.array([float((~one.labelled.ignored).sum()) for one in found.seen]),
                    np.array([one.brightness for one in found.seen]))


def fit_of(measures: Measures, count: int = 6) -> Fit | None:
    """Anchors of the train splits' boxes, or of all where there is none; None where they are too few or too alike.

    As training chooses them that draws every set whole: by two boxes a picture at most.
    """
    chosen = measures.trained if measures.trained.any() else np.ones(len(measures.sides), bool)
    sides = measures.sides[chosen]
    try:
        anchors = kmeans_anchors(measures.sides[chosen & measures.asked], count)
    except MineHatError:
        return None
    return Fit(anchors, float(shape_iou(sides, np.array(anchors)).max(axis=1).mean()))
