"""Arrays that lie on the GPU, given and taken through `__cuda_array_interface__` without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import MineHatError


@dataclass(frozen=True)
class CudaArray:
    """Memory of the GPU seen as an array in C order. It does not own the memory but keeps its owner alive."""

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: Any = None
    stream: int | None = None  # whose work must be done before the memory may be read, as the interface numbers it

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3, as CuPy, PyTorch and Numba read it."""
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.address, False),
                "strides": None, "stream": self.stream, "version": 3}


def cuda_array_of(given: Any) -> CudaArray:
    """What another library holds on the GPU. Raises MineHatError for what is no array there or not in C order."""
    told = getattr(given, "__cuda_array_interface__", None)
    if told is None:
        raise MineHatError(f"An array on the GPU was wanted, found {type(given).__name__}, which has no "
                           "__cuda_array_interface__. Give numpy arrays as they are.")
    shape, dtype = tuple(told["shape"]), np.dtype(told["typestr"])
    if told.get("mask") is not None:
        raise MineHatError("A masked array on the GPU cannot be used. Fill it first.")
    if prod(shape) and told.get("strides") not in (None, _c_order(shape, dtype.itemsize)):
        raise MineHatError(f"An array on the GPU must lie in C order, found strides {tuple(told['strides'])} of shape "
                           f"{list(shape)}. Use `.contiguous()` (PyTorch) or `cupy.ascontiguousarray`.")
    return CudaArray(int(told["data"][0]), shape, dtype, given, told.get("stream"))


def _c_order(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    return tuple(itemsize * prod(shape[axis + 1:]) for axis in range(len(shape)))
