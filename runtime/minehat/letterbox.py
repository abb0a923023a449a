"""Frame -> square and back: the one place that bends coordinates, and unbends them.

The definition (scale, rounding, centring, pad, interpolation) is used by training, calibration,
scoring and the runtime alike; see ARCHITECTURE.md. *Frame* is what the camera gave (uint8
[h, w, 3], BGR); *square* is what the network sees, though it need not be square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .card import ModelCard
from .errors import MineHatError
from .guests import load_cv2

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Placement:
    """Where a frame lies in the square: square = frame * (scale_x, scale_y) + (left, top)."""

    frame_width: int
    frame_height: int
    new_width: int  # of the resized frame inside the square
    new_height: int
    left: int
    top: int

    @property
    def scale_x(self) -> float:
        return self.new_width / self.frame_width

    @property
    def scale_y(self) -> float:
        return self.new_height / self.frame_height

    def to_square(self, boxes: Array) -> Array:
        """[n, 4] boxes x0 y0 x1 y1 in frame pixels -> the same in square pixels, float32."""
        return (boxes * self._scales() + self._shifts()).astype(np.float32)

    def to_frame(self, boxes: Array) -> Array:
        """[n, 4] boxes x0 y0 x1 y1 in square pixels -> the same in frame pixels, float32, not clipped."""
        return ((boxes - self._shifts()) / self._scales()).astype(np.float32)

    def _scales(self) -> Array:
        return np.array([self.scale_x, self.scale_y] * 2, np.float64)

    def _shifts(self) -> Array:
        return np.array([self.left, self.top] * 2, np.float64)


def place(frame_height: int, frame_width: int, height: int, width: int) -> Placement:
    """Centre a frame in a `height` x `width` square, keeping its shape; sides round half up, at least 1."""
    scale = min(width / frame_width, height / frame_height)
    new_width = max(1, math.floor(frame_width * scale + 0.5))
    new_height = max(1, math.floor(frame_height * scale + 0.5))
    return Placement(frame_width, frame_height, new_width, new_height,
                     (width - new_width) // 2, (height - new_height) // 2)


def letterbox(frame: Array, height: int, width: int, pad: int = 114,
              out: Array | None = None) -> tuple[Array, Placement]:
    """uint8 [h, w, 3] BGR frame -> (uint8 [height, width, 3] BGR square, its placement).

    Bilinear as OpenCV's INTER_LINEAR; the rest of the square is grey `pad`. Writes into `out` when it
    is given. Raises MineHatError for what is no such frame.
    """
    _check_frame(frame)
    cv2 = load_cv2("resize frames")
    placement = place(frame.shape[0], frame.shape[1], height, width)
    square = np.empty((height, width, 3), np.uint8) if out is None else out
    right, bottom = placement.left + placement.new_width, placement.top + placement.new_height
    square[:placement.top] = square[bottom:] = pad
    square[:, :placement.left] = square[:, right:] = pad
    inside = square[placement.top:bottom, placement.left:right]
    cv2.resize(frame, (placement.new_width, placement.new_height), dst=inside,
               interpolation=cv2.INTER_LINEAR)
    return square, placement


def _check_frame(frame: object) -> None:
    """OpenCV would resize another kind of frame into memory of its own, and `out` keep the frame before."""
    if not isinstance(frame, np.ndarray):
        raise MineHatError(f"A frame must be an array, found {type(frame).__name__}: was the picture read at all?")
    if frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 and frame.size:
        return
    cure = ("Scale it to 0..255 and use `frame.astype(numpy.uint8)`." if frame.dtype != np.uint8 else
            "It is empty: was the picture read at all?" if not frame.size else
            "Use `cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)`." if frame.shape[2:] == (4,) else
            "Use `cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)`.")
    raise MineHatError(f"A frame must be uint8 [h, w, 3] BGR, found {frame.dtype} {list(frame.shape)}. {cure}")


def as_input(square: Array, card: ModelCard, out: Array | None = None) -> Array:
    """uint8 [H, W, 3] BGR square -> float32 [3, H, W] as the card wants it: (pixel - mean) * scale.

    Writes into `out` (float32 [3, H, W]) when it is given.
    """
    planes = np.empty((3, *square.shape[:2]), np.float32) if out is None else out
    colours = load_cv2("resize frames").split(square)  # whole planes multiply in 2/3 of the time of strided ones
    for row, colour in enumerate(colours[::-1] if card.channel_order == "RGB" else colours):
        np.multiply(colour, np.float32(card.scale[row]), out=planes[row])
        if card.mean[row]:
            planes[row] -= np.float32(card.mean[row] * card.scale[row])
    return planes
