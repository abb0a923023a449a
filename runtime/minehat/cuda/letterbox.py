"""Frames on the GPU -> the network's input on the GPU: letterbox.py's definition, in one kernel."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from ..card import ModelCard
from ..errors import MineHatError
from ..letterbox import Placement, place
from .arrays import CudaArray
from .compiled import compiled
from .device import Device, Stream
from .lying import MATRICES, Lying, frame_sides

BLOCK = (32, 8, 1)  # threads; a warp writes 32 neighbours of a row
_PLACED = np.dtype([("placed", np.int32, 6)])
_INPUT = np.dtype([("mean", np.float32, 3), ("scale", np.float32, 3), ("from", np.int32, 3), ("pad", np.float32)])
_COLOURS = np.dtype([("colours", np.float32, 5)])
DTYPES = tuple(map(np.dtype, (np.float32, np.float16, np.uint8)))  # that a network's input may have


class CudaLetterbox:
    """The kernels, loaded for a card's input. Close it, or its device, when done. Unverified on a GPU.

    Of planes of uint8 the network makes (pixel - mean) * scale itself; they hold the pixels, rounded.
    """

    def __init__(self, device: Device, card: ModelCard) -> None:
        self._card = card
        self._module = device.module(compiled("letterbox", device.capability))
        self._kernels = {name: self._module.kernel(f"letterbox_{name}") for dtype in DTYPES
                         for name in (str(dtype), f"nv12_{dtype}")}

    def launch(self, frames: CudaArray, out: CudaArray, stream: Stream) -> Placement:
        """Put the work on the stream.

        frames: uint8 [N, h, w, 3] BGR. out: float32, float16 or uint8 [N, 3, H, W]. Returns where each frame lies in
        its square. Raises MineHatError for arrays of another kind.
        """
        lying = self._lying(frames, out)
        self.put(lying, out.address, out.dtype, stream)
        return lying.placement

    def put(self, frames: Lying, out: int, dtype: np.dtype[Any], stream: Stream) -> None:
        """The same for frames however they lie; out: the address of their planes, of one of DTYPES."""
        name = str(dtype)
        kind: tuple[Any, ...] = (np.int32(frames.in_pairs),)
        last: tuple[Any, ...] = (placed_of(frames.placement), input_of(self._card, dtype))
        if frames.matrix:
            name, kind = f"nv12_{dtype}", (np.uint64(frames.placement.frame_height * frames.row_bytes),)
            last = (*last, colours_of(frames.matrix))
        sides = np.int32(self._card.width), np.int32(self._card.height)
        grid = (-(-self._card.width // BLOCK[0]), -(-self._card.height // BLOCK[1]), frames.count)
        arguments = (np.uint64(frames.address), np.uint64(frames.frame_bytes), np.int32(frames.row_bytes), *kind,
                     np.uint64(out), *sides, *last)
        self._kernels[name].launch(grid, BLOCK, arguments, stream)

    def close(self) -> None:
        """Let go of the kernels."""
        self._kernels.clear()  # pycuda unloads the module with its last kernel
        self._module.close()

    def _lying(self, frames: CudaArray, out: CudaArray) -> Lying:
        if len(frames.shape) != 4 or not frames.shape[0]:
            raise MineHatError(f"Frames on the GPU must be uint8 [N, h, w, 3] BGR, found {frames.dtype} "
                               f"{list(frames.shape)}.")
        height, width = frame_sides(frames.shape[1:], frames.dtype, nv12=False)
        wanted = (frames.shape[0], 3, self._card.height, self._card.width)
        if out.shape != wanted or out.dtype not in DTYPES:
            raise MineHatError(f"The network's input for them must be {', '.join(map(str, DTYPES))} {list(wanted)}, "
                               f"found {out.dtype} {list(out.shape)}.")
        return Lying(frames.address, frames.shape[0], place(height, width, self._card.height, self._card.width),
                     3 * width, 3 * width * height)


def placed_of(placement: Placement) -> Any:
    """The kernel's struct Placed, a numpy scalar."""
    return np.array((astuple(placement),), _PLACED)[()]


def input_of(card: ModelCard, dtype: np.dtype[Any]) -> Any:
    """The kernel's struct Input for planes of `dtype`, a numpy scalar."""
    pixels = dtype == np.uint8
    return np.array(((0, 0, 0) if pixels else card.mean, (1, 1, 1) if pixels else card.scale,
                     (2, 1, 0) if card.channel_order == "RGB" else (0, 1, 2), card.pad), _INPUT)[()]


def colours_of(matrix: str) -> Any:
    """The kernel's struct Colours, a numpy scalar."""
    return np.array((MATRICES[matrix],), _COLOURS)[()]
