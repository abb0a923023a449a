"""Frames of other processes, read where they lie."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from .messages import Place

Array = npt.NDArray[Any]
FOLDER = "/dev/shm"  # where Linux keeps POSIX shared memory, see shm_overview(7)


class Memories:
    """Shared memories by name, mapped for reading only.

    multiprocessing's own SharedMemory has, before Python 3.13, every process that attaches answer for the memory's end.
    A memory lives until nobody maps it: those whose names are gone are let go of when a new one comes.
    """

    def __init__(self) -> None:
        self._mapped: dict[str, mmap.mmap] = {}

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
            self._mapped = {old: mapped for old, mapped in self._mapped.items() if os.path.exists(_path(old))}
            mapped = _opened(_path(name))
            if mapped is None:
                return None
            self._mapped[name] = mapped
        return self._mapped[name]


def _path(name: str) -> str:
    return os.path.join(FOLDER, os.path.basename(name))


def _opened(path: str) -> mmap.mmap | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return mmap.mmap(handle, 0, prot=mmap.PROT_READ)
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    finally:
        os.close(handle)
