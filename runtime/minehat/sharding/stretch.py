"""The frames of a video in a stretch of its time, exactly those that a run from its first frame to its last gives.

OpenCV lands where the container's index, or a guess, leads it, and decodes from the key frame before. So it is sent to
well before the stretch and asked where it is, and frames are passed over until the stretch begins. Whoever puts
stretches together compares their `Joint`s: the frame that ends one must be the frame that begins the next, in its time
and in every pixel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..guests import load_cv2
from ..inputs import Input
from ..videos import Shot, frame_seconds, open_capture, promised

BACK = (2.0, 30.0, 300.0)  # seconds before a stretch to go to, the next one where that was too late


@dataclass(frozen=True)
class Joint:
    """A frame at the edge of a stretch."""

    seconds: float
    digest: str  # of its pixels


class Stretch:
    """The frames whose times lie from `start` up to `end`, seconds; None: from the first frame, up to the last.

    seeks: whether to go there or to read on from the first frame. After `shots` is through:
    first, after: the first frame from `start` on, the first from `end` on; None where the video ends before.
    rising: whether each frame's time was after the one before's, without which no stretch is sure.
    """

    def __init__(self, one: Input, start: float | None, end: float | None, seeks: bool = True) -> None:
        self._one, self._end, self._seeks = one, np.inf if end is None else end, seeks
        self._start = -np.inf if start is None else start
        self.first: Joint | None = None
        self.after: Joint | None = None
        self.rising = True

    def shots(self) -> Iterator[Shot]:
        """Its frames, numbered from 0 at the stretch's first. Raises MineHatError where the video cannot be opened."""
        capture = self._before()
        try:
            yield from self._read(capture)
        finally:
            capture.release()

    def _read(self, capture: Any) -> Iterator[Shot]:
        fps = promised(capture)[1]
        passed, count, last = 0, 0, -np.inf
        while capture.grab():
            stamp = _stamp(capture)
            if not count and stamp < self._start:
                passed += 1
                continue
            good, frame = capture.retrieve()
            if not good:
                break
            self.first = self.first or Joint(stamp, _digest(frame))
            if stamp >= self._end:
                self.after = Joint(stamp, _digest(frame))
                break
            self.rising, last = self.rising and stamp > last, stamp
            yield Shot(self._one.name, frame, count, round(frame_seconds(capture, passed + count, fps), 3), fps)
            count += 1

    def _before(self) -> Any:
        """A capture whose next frame is before the stretch, or its first."""
        if self._seeks:
            for back in BACK:
                if self._start - back <= 0:
                    break
                capture = open_capture(self._one)
                capture.set(load_cv2("read videos").CAP_PROP_POS_MSEC, 1000 * (self._start - back))
                if capture.grab() and _stamp(capture) < self._start:
                    return capture
                capture.release()
        return open_capture(self._one)


def _stamp(capture: Any) -> float:
    stamp: float = capture.get(load_cv2("read videos").CAP_PROP_POS_MSEC) / 1000
    return stamp


def _digest(frame: npt.NDArray[np.uint8]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(frame).data, digest_size=16).hexdigest()
