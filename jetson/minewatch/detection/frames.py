"""Frames of other processes, read where they lie."""

from __future__ import annotations

import mmap
import os
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from .messages import Place

Array = npt.NDArray[Any]
FOLDER = "/dev/shm"  # where Linux keeps POSIX shared memory, see shm_overview(7)
MOST = 128  # memories that stay mapped; each camera has one, and a new one when it opens again


class Memories:
    """Shared memories by name, mapped for reading only.

    multiprocessing's own SharedMemory has, before Python 3.13, every process that attaches answer for the memory's end.
    """

    def __init__(self, most: int = MOST) -> None:
        self._mapped: OrderedDict[str, mmap.mmap] = OrderedDict()
        self._most = most

    def frame(self, place: Place) -> Array | None:
        """uint8 [height, width, 3] BGR in place, not to be written to; None where the memory is absent or too short."""
        size = place.height * place.width * 3
        mapped = self._memory(place.memory)
        if mapped is None or place.offset < 0 or size <= 0 or place.offset + size > len(mapped):
            return None
        flat = np.frombuffer(mapped, np.uint8, size, place.offset)
        return flat.reshape(place.height, place.width, 3)

    def __len__(self) -> int:
        return len(self._mapped)

    def _memory(self, name: str) -> mmap.mmap | None:
        if name not in self._mapped:
            mapped = _mapped(name)
            if mapped is None:
                return None
            self._mapped[name] = mapped
            while len(self._mapped) > self._most:
                self._mapped.popitem(last=False)  # unmapped with the last frame that is seen in it
        self._mapped.move_to_end(name)
        return self._mapped[name]


def _mapped(name: str) -> mmap.mmap | None:
    try:
        handle = os.open(os.path.join(FOLDER, os.path.basename(name)), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return mmap.mmap(handle, 0, prot=mmap.PROT_READ)
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    finally:
        os.close(handle)
