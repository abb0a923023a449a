"""Frame -> square and back: the one place that bends coordinates, and unbends them.

The definition (scale, rounding, centring, pad, interpolation) is used by training, calibration,
scoring and the runtime alike; see ARCHITECTURE.md. *Frame* is what the camera gave (uint8
[h, w, 3], BGR); *square* is what the network sees, though it need not be square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    check_frame(frame)
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


def check_frame(frame: object) -> None:
    """Raise MineHatError for what is no uint8 [h, w, 3] BGR frame.

    OpenCV would resize another kind into memory of its own, and `out` keep the frame before.
    """
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
    """uint8 [H, W, 3] BGR square -> [3, H, W] as the card wants it: float32 (pixel - mean) * scale, or uint8 pixels.

    Writes into `out` (of that type and shape) when it is given.
    """
    planes = np.empty((3, *square.shape[:2]), card.input_dtype) if out is None else out
    colours = load_cv2("resize frames").split(square)  # whole planes multiply in 2/3 of the time of strided ones
    colours = colours[::-1] if card.channel_order == "RGB" else colours
    if card.input_dtype == "uint8":
        planes[:] = colours
    else:
        _scale(colours, card, planes)
    return planes


class Planes:
    """The network's input for up to `count` pictures, in memory that is written over again and again.

    `put` does what `letterbox` and `as_input` do, to the bit, with less work: bands are painted when a row's placement
    changes, and only the frame between them is split and scaled.
    """

    def __init__(self, card: ModelCard, count: int = 1) -> None:
        self._card, self._cv2 = card, load_cv2("resize frames")
        self.batch = np.empty((count, 3, card.height, card.width), card.input_dtype)  # as the card wants it
        self._painted: list[Placement | None] = [None] * count
        self._pad = as_input(np.full((1, 1, 3), card.pad, np.uint8), card)  # [3, 1, 1]
        self._resized = np.empty(card.height * card.width * 3, np.uint8)
        self._colours = np.empty(0 if self._takes_pixels else self._resized.size, np.uint8)

    def put(self, frame: Array, row: int = 0) -> Placement:
        """Write uint8 [h, w, 3] BGR `frame` to `batch[row]`; where it lies there.

        Raises MineHatError for what is no such frame; the row keeps what it had.
        """
        check_frame(frame)
        placement = place(frame.shape[0], frame.shape[1], self._card.height, self._card.width)
        inside = self._inside(row, placement)
        sides = placement.new_height, placement.new_width
        values = 3 * placement.new_height * placement.new_width
        resized = self._resized[:values].reshape(*sides, 3)
        colours = inside if self._takes_pixels else self._colours[:values].reshape(3, *sides)
        self._cv2.resize(frame, sides[::-1], dst=resized, interpolation=self._cv2.INTER_LINEAR)
        self._cv2.split(resized, list(colours[::-1] if self._card.channel_order == "RGB" else colours))
        if not self._takes_pixels:
            _scale(colours, self._card, inside)
        return placement

    @property
    def _takes_pixels(self) -> bool:
        return self._card.input_dtype == "uint8"

    def _inside(self, row: int, placement: Placement) -> Array:
        """The view [3, h, w] of a row that the frame fills; the bands beside it are painted."""
        planes: Array = self.batch[row]
        right, bottom = placement.left + placement.new_width, placement.top + placement.new_height
        if self._painted[row] != placement:
            planes[:, :placement.top] = planes[:, bottom:] = self._pad
            planes[..., :placement.left] = planes[..., right:] = self._pad
            self._painted[row] = placement
        return planes[:, placement.top:bottom, placement.left:right]


def _scale(colours: Sequence[Array] | Array, card: ModelCard, planes: Array) -> None:
    """Write uint8 planes [h, w], in the card's order, to float32 `planes` [3, h, w]."""
    for row, colour in enumerate(colours):
        np.multiply(colour, np.float32(card.scale[row]), out=planes[row])
        if card.mean[row]:
            planes[row] -= np.float32(card.mean[row] * card.scale[row])
