"""How large a box is to the network: its longer side in pixels of the network's square.

COCO's small, medium and large are areas in pixels of the picture. A helmet of 40 pixels is small in a 4K frame and
large in a thumbnail; what a detector can do with it depends on what is left in the square that it looks at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..labels import Labelled
from ..letterbox import Placement, place
from ..pictures import picture_size

Array = npt.NDArray[Any]
RANGES = {"<16": (0.0, 16.0), "16-32": (16.0, 32.0), "32-64": (32.0, 64.0), ">=64": (64.0, math.inf)}


def placement_of(truth: Labelled, square: tuple[int, int]) -> Placement:
    """Where a picture lies in a square of (height, width)."""
    width, height = _size_of(truth)
    return place(height, width, *square)


def sides_of(boxes: Array, placement: Placement) -> Array:
    """[n] the longer side of [n, 4] boxes of the frame, in pixels of the square."""
    moved = placement.to_square(boxes)
    sides: Array = np.maximum(moved[:, 2] - moved[:, 0], moved[:, 3] - moved[:, 1])
    return sides


def _size_of(truth: Labelled) -> tuple[int, int]:
    """Width and height of what is kept of the picture."""
    if truth.window is not None:
        x0, y0, x1, y1 = truth.window
        return x1 - x0, y1 - y0
    return truth.size or picture_size(truth.path)
