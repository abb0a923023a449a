"""Cells of a grid, in the order in which maps are flattened."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def cells_of(height: int, width: int) -> npt.NDArray[Any]:
    """x y of each cell, float32 [height * width, 2], row by row."""
    y, x = np.divmod(np.arange(height * width), width)
    return np.stack([x, y], axis=1).astype(np.float32)
