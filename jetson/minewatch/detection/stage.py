"""A few frames in a shared memory of our own, where detectors can look at them."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import numpy.typing as npt

from .messages import Place


class Stage:
    """Copies of uint8 [h, w, 3] BGR frames, until `close`."""

    def __init__(self, frames: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._memory = SharedMemory(create=True, size=max(1, sum(frame.nbytes for frame in frames)))
        places, offset = [], 0
        for frame in frames:
            height, width, _ = frame.shape
            np.ndarray(frame.shape, np.uint8, self._memory.buf, offset)[...] = frame
            places.append(Place(self._memory.name, offset, height, width))
            offset += frame.nbytes
        self.places = tuple(places)

    def close(self) -> None:
        """Who has it open may read on; nobody can open it any more."""
        self._memory.close()
        self._memory.unlink()
