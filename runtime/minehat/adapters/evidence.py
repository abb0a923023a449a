"""What an answer to noise shows: rows that are a grid's cells, shares in 0..1, centres all over the square.

A grid gives away how its boxes are told: where the grid is applied inside, the centres of all cells lie all over
the square whatever the picture; where it is not, they are offsets of a cell or two about 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .foreign import Foreign

Array = npt.NDArray[Any]
STRIDES = (4, 8, 16, 32, 64, 128)
LONGEST = 4  # scales of a grid
SLACK = 1e-3  # shares that FP16 works out may lie as far outside 0..1


def dense(foreign: Foreign) -> tuple[str, Array] | None:
    """The one output [N, rows, columns] and its name; None where there is none, or more than it.

    Maps [N, A, h, w, F] beside it, left over from training, hold the same and are passed over.
    """
    flat = [(name, answer) for name, answer in foreign.answers.items() if answer.ndim == 3]
    others = [answer for answer in foreign.answers.values() if answer.ndim != 3]
    return flat[0] if len(flat) == 1 and all(answer.ndim == 5 for answer in others) else None


def strides_of(foreign: Foreign, cells: int) -> tuple[int, ...] | None:
    """The strides, finest first, of the grids over the square whose cells add up to so many; None for none."""
    for first in range(len(STRIDES)):
        for last in range(first + 1, min(first + LONGEST, len(STRIDES)) + 1):
            strides = STRIDES[first:last]
            fits = foreign.height % strides[-1] == 0 == foreign.width % strides[-1]
            if fits and sum((foreign.height // s) * (foreign.width // s) for s in strides) == cells:
                return strides
    return None


def grid_told(cells: int, strides: tuple[int, ...]) -> str:
    return f"{cells} cells of strides {', '.join(map(str, strides))}"


def are_shares(values: Array) -> bool:
    """Whether all lie in 0..1, as what went through a sigmoid does."""
    return bool(values.size and (values >= -SLACK).all() and (values <= 1 + SLACK).all())


def all_over(centres: Array, foreign: Foreign) -> bool:
    """Whether centres x y [..., 2] lie all over the square, in pixels."""
    low, high = np.percentile(centres.reshape(-1, 2), (5, 95), axis=0)
    return bool((high - low > np.array([foreign.width, foreign.height]) / 2).all())


def about_zero(boxes: Array, foreign: Foreign) -> bool:
    """Whether [..., 4] are offsets and logarithms, not yet boxes: some below 0, none all over the square."""
    low, high = np.percentile(boxes.reshape(-1, 4), (5, 95), axis=0)
    return bool(boxes.min() < 0 and (high - low < min(foreign.width, foreign.height) / 4).all())
