"""Frames on the GPU: where they lie, how, and which of their rows the letterbox reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MineHatError
from ..letterbox import Placement

Array = npt.NDArray[Any]
# (luma, blue of Cb, green of Cb, green of Cr, red of Cr) of limited range, 16 to 235 and 16 to 240, -> BGR 0 to 255.
MATRICES = {"bt601": (1.164384, 2.017232, -0.391762, -0.812968, 1.596027),
            "bt709": (1.164384, 2.112402, -0.213249, -0.532909, 1.792741)}


@dataclass(frozen=True)
class Nv12:
    """A frame as decoders give it: luma, then Cb Cr pairs, each for two by two pixels; limited range.

    pixels: uint8 [h * 3 / 2, w], a numpy array or anything with `__cuda_array_interface__`; h and w are even. matrix:
    bt601 (what OpenCV takes, and small pictures are) or bt709 (HD video mostly).
    """

    pixels: Any
    matrix: str = "bt601"

    def __post_init__(self) -> None:
        if self.matrix not in MATRICES:
            raise MineHatError(f"An NV12 frame's matrix must be one of {', '.join(MATRICES)}, found {self.matrix!r}.")


@dataclass(frozen=True)
class Lying:
    """Frames in the GPU's reach, alike in size, `frame_bytes` apart, their rows `row_bytes` apart."""

    address: int
    count: int
    placement: Placement
    row_bytes: int
    frame_bytes: int
    in_pairs: bool = False  # only the rows of `rows_of` are there, and BGR
    matrix: str | None = None  # of MATRICES for NV12, None for BGR


def merged(frames: Sequence[Lying]) -> tuple[Lying, ...]:
    """The same with neighbours of one kind taken together, so that one launch serves them."""
    together: list[Lying] = []
    for frame in frames:
        last = together[-1] if together else None
        if last and frame == replace(last, address=last.address + last.count * last.frame_bytes, count=frame.count):
            together[-1] = replace(last, count=last.count + frame.count)
        else:
            together.append(frame)
    return tuple(together)


def frame_sides(shape: tuple[int, ...], dtype: np.dtype[Any], nv12: bool) -> tuple[int, int]:
    """Height and width of a frame on the GPU. Raises MineHatError for an array that is none."""
    if nv12:
        whole = len(shape) == 2 and shape[0] % 3 == 0 and shape[1] % 2 == 0 and shape[0] // 3 * shape[1] > 0
        wanted = "uint8 [h * 3 / 2, w] with even h and w, NV12"
    else:
        whole = len(shape) == 3 and shape[2] == 3 and shape[0] * shape[1] > 0
        wanted = "uint8 [h, w, 3] BGR"
    if dtype != np.uint8 or not whole:
        raise MineHatError(f"A frame must be {wanted}, found {dtype} {list(shape)}.")
    return (shape[0] * 2 // 3 if nv12 else shape[0]), shape[1]


@lru_cache(maxsize=16)
def rows_of(placement: Placement) -> Array | None:
    """int64 [2 * new_height]: the frame's rows that the letterbox reads, two for each of the square's.

    None where they are no fewer than all: then the frame may as well be there whole.
    """
    new, old = placement.new_height, placement.frame_height
    if 2 * new >= old:
        return None
    low = np.maximum((2 * np.arange(new, dtype=np.int64) + 1) * old - new, 0) // (2 * new)
    rows = np.stack([low, np.minimum(low + 1, old - 1)], axis=1).reshape(-1)
    rows.flags.writeable = False
    return rows
