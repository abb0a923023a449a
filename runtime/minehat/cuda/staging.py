"""Frames of the host on their way to the GPU: only the rows that are read, through page-locked memory that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..letterbox import Placement, place
from .device import Device, DeviceMemory, HostMemory, Stream
from .lying import Lying, rows_of

Array = npt.NDArray[Any]
PIECE = 1 << 20  # bytes: while one is copied to the GPU, the next is gathered


@dataclass(frozen=True)
class Picture:
    """A frame of the host, as staging takes it."""

    rows: Array  # uint8 [n, bytes of a row]
    placement: Placement
    matrix: str | None = None  # NV12's; None: BGR

    @property
    def wanted(self) -> Array | None:
        """The rows that the letterbox reads, None for all."""
        return None if self.matrix else rows_of(self.placement)

    @property
    def shape(self) -> tuple[int, int]:
        """Of what is staged: rows, bytes of a row."""
        wanted = self.wanted
        return (len(self.rows) if wanted is None else len(wanted)), self.rows.shape[1]


def picture_of(frame: Array, sides: tuple[int, int], height: int, width: int, matrix: str | None = None) -> Picture:
    """A uint8 frame of `sides` (h, w), [h, w, 3] BGR or [h * 3 / 2, w] NV12, for a square of height x width."""
    return Picture(frame.reshape(len(frame), -1), place(*sides, height, width), matrix)


class Staging:
    """Page-locked memory, and memory of the GPU where it has its own; both grow with the largest frames.

    Where GPU and host share their memory, as on a Jetson, the GPU reads the page-locked memory itself.
    """

    def __init__(self, device: Device) -> None:
        self._device, self._shared = device, device.integrated
        self._here: HostMemory | None = None
        self._there: DeviceMemory | None = None
        self._bytes: Array = np.empty(0, np.uint8)  # those of `here`

    def put(self, pictures: Sequence[Picture], stream: Stream) -> list[Lying]:
        """Where they lie when the stream has come past. What was put before must have been read by then."""
        sizes = [rows * row_bytes for rows, row_bytes in (picture.shape for picture in pictures)]
        self._make_room(sum(sizes))
        lying, at = [], 0
        for picture, size in zip(pictures, sizes, strict=True):
            self._fill(picture, at, stream)
            lying.append(Lying(self._address + at, 1, picture.placement, picture.shape[1], size,
                               picture.wanted is not None, picture.matrix))
            at += size
        return lying

    def close(self) -> None:
        """Let go of the memory."""
        self._bytes = np.empty(0, np.uint8)
        for held in (self._there, self._here):
            if held is not None:
                held.close()
        self._there = self._here = None

    def _make_room(self, size: int) -> None:
        if size <= len(self._bytes):
            return
        self.close()
        self._here = self._device.pinned(size, mapped=self._shared)
        self._there = None if self._shared else self._device.memory(size)
        self._address = self._here.device_address if self._there is None else self._there.address
        self._bytes = self._here.array((size,), np.uint8)

    def _fill(self, picture: Picture, at: int, stream: Stream) -> None:
        count, row_bytes = picture.shape
        here = self._bytes[at:at + count * row_bytes].reshape(count, row_bytes)
        wanted, step = picture.wanted, max(1, PIECE // row_bytes)
        for first in range(0, count, step):
            piece = here[first:first + step]
            if wanted is None:
                piece[...] = picture.rows[first:first + step]
            else:  # "raise" would gather into memory of numpy's own first
                np.take(picture.rows, wanted[first:first + step], axis=0, out=piece, mode="clip")
            if self._there is not None:
                self._there.copy_in(piece, stream, at + first * row_bytes)
