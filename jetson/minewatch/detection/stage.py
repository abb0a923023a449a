"""A few frames in a shared memory of our own, where detectors can look at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..cameras import slots
from .messages import Place


class Stage:
    """Copies of uint8 [h, w, 3] BGR frames of any sizes, until `close`. Raises SourceLost where there is no room."""

    def __init__(self, frames: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._memory = slots.made(1, 1, max(1, sum(frame.size // 3 for frame in frames)))  # one row, all frames long
        row, places, first = self._memory.frame(0)[0], [], 0
        for frame in frames:
            height, width, _ = frame.shape
            row[first:first + height * width] = frame.reshape(-1, 3)
            places.append(Place(self._memory.name, 3 * first, height, width))
            first += height * width
        self.places = tuple(places)

    def close(self) -> None:
        """Who has it open may read on; nobody can open it any more."""
        self._memory.remove()
