"""A few frames of all cameras, kept for the trial of a new model."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

WIDEST = 640  # pixels; the network sees no more
EVERY = 30.0  # seconds between two frames of a kind
MOST = 4  # frames of each kind


class Album:
    """The newest frames with people and without, of whichever camera had its turn."""

    def __init__(self) -> None:
        self._kinds: tuple[deque[npt.NDArray[np.uint8]], ...] = (deque(maxlen=MOST), deque(maxlen=MOST))
        self._taken = [float("-inf")] * len(self._kinds)

    def offer(self, frame: npt.NDArray[np.uint8], people: int, now: float) -> None:
        """Keep a small copy of this uint8 [h, w, 3] BGR frame, where one of its kind is due at `now`."""
        kind = int(people > 0)
        if now - self._taken[kind] < EVERY:
            return
        self._taken[kind] = now
        self._kinds[kind].append(_small(frame))

    @property
    def people(self) -> bool:
        """Whether there is anybody in them."""
        return bool(self._kinds[1])

    @property
    def frames(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """All of them, those with people last."""
        return tuple(frame for kind in self._kinds for frame in kind)


def _small(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    step = -(-frame.shape[1] // WIDEST)
    return np.ascontiguousarray(frame[::step, ::step]).copy()
