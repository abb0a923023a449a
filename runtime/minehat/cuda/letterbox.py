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

BLOCK = (32, 8, 1)  # threads; a warp writes 32 neighbours of a row
_PLACED = np.dtype([("placed", np.int32, 6)])
_INPUT = np.dtype([("mean", np.float32, 3), ("scale", np.float32, 3), ("from", np.int32, 3), ("pad", np.float32)])
_KERNELS = {np.dtype(np.float32): "letterbox_float32", np.dtype(np.float16): "letterbox_float16"}


class CudaLetterbox:
    """The kernel, loaded for a card's input. Close it, or its device, when done. Unverified on a GPU."""

    def __init__(self, device: Device, card: ModelCard) -> None:
        self._card, self._input = card, input_of(card)
        self._module = device.module(compiled("letterbox", device.capability))
        self._kernels = {dtype: self._module.kernel(name) for dtype, name in _KERNELS.items()}

    def launch(self, frames: CudaArray, out: CudaArray, stream: Stream) -> Placement:
        """Put the work on the stream.

        frames: uint8 [N, h, w, 3] BGR. out: float32 or float16 [N, 3, H, W]. Returns where each frame lies in its
        square. Raises MineHatError for arrays of another kind.
        """
        count, height, width = self._check(frames, out)
        placement = place(height, width, self._card.height, self._card.width)
        row = 3 * width
        grid = (-(-self._card.width // BLOCK[0]), -(-self._card.height // BLOCK[1]), count)
        arguments = (np.uint64(frames.address), np.uint64(row * height), np.int32(row), np.uint64(out.address),
                     np.int32(self._card.width), np.int32(self._card.height), placed_of(placement), self._input)
        self._kernels[out.dtype].launch(grid, BLOCK, arguments, stream)
        return placement

    def close(self) -> None:
        """Let go of the kernel."""
        self._kernels.clear()  # pycuda unloads the module with its last kernel
        self._module.close()

    def _check(self, frames: CudaArray, out: CudaArray) -> tuple[int, int, int]:
        if frames.dtype != np.uint8 or len(frames.shape) != 4 or frames.shape[3] != 3 or not frames.nbytes:
            raise MineHatError(f"Frames on the GPU must be uint8 [N, h, w, 3] BGR, found {frames.dtype} "
                               f"{list(frames.shape)}.")
        wanted = (frames.shape[0], 3, self._card.height, self._card.width)
        if out.shape != wanted or out.dtype not in _KERNELS:
            raise MineHatError(f"The network's input for them must be float32 or float16 {list(wanted)}, found "
                               f"{out.dtype} {list(out.shape)}.")
        return frames.shape[0], frames.shape[1], frames.shape[2]


def placed_of(placement: Placement) -> Any:
    """The kernel's struct Placed, a numpy scalar."""
    return np.array((astuple(placement),), _PLACED)[()]


def input_of(card: ModelCard) -> Any:
    """The kernel's struct Input, a numpy scalar."""
    return np.array((card.mean, card.scale, (2, 1, 0) if card.channel_order == "RGB" else (0, 1, 2), card.pad),
                    _INPUT)[()]
