"""Histograms of all activations, gathered in one walk over the pictures. Memory depends on the model alone.

Bins are powers of two wide and lie around 0; where a value falls outside, each two become one. So nothing
need be known beforehand, and the counts do not depend on the order of the pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from onnx import ModelProto, helper

from ..running import session_of

BINS = 8192  # of which the values of a tensor fill a quarter to all
SMALLEST_TOP = 2.0**-40  # of bins that have seen nothing but zeros
COUNTED = 2**23  # values at a time: OpenCV counts in float32
Array = npt.NDArray[Any]
Walk = Callable[[str], Iterator[tuple[Path, Array]]]  # label -> (path, batch float32 [1, 3, H, W])


@dataclass(frozen=True)
class Histogram:
    """How often one tensor took each value. Bin i spans edges[i] to edges[i + 1]."""

    low: float  # the least value seen
    high: float
    bottom: float  # where the bins begin: at -top, or at 0 in a histogram of magnitudes
    top: float
    counts: Array  # [bins] int64

    @property
    def edges(self) -> Array:
        """[bins + 1] float64."""
        return np.linspace(self.bottom, self.top, len(self.counts) + 1)

    @property
    def centres(self) -> Array:
        """[bins] float64."""
        return (self.edges[1:] + self.edges[:-1]) / 2

    def magnitudes(self) -> Histogram:
        """The same of the absolute values."""
        middle = len(self.counts) // 2
        return Histogram(0.0, max(-self.low, self.high), 0.0, self.top,
                         self.counts[middle:] + self.counts[:middle][::-1])

    def outside(self, low: float, high: float) -> float:
        """The share of values below `low` or above `high`, to the width of a bin."""
        beyond = (self.edges[1:] <= low) | (self.edges[:-1] >= high)
        return float(self.counts[beyond].sum() / self.counts.sum())


@dataclass(frozen=True)
class Seen:
    """What a walk over the pictures saw."""

    histograms: Mapping[str, Histogram]  # by tensor
    means: Mapping[str, Array]  # by convolution input: [channels] float64, over pictures and places
    strengths: Array  # [pictures] float64: the binary logarithm of the greatest magnitudes, the mean over tensors
    greatest: Mapping[str, Array] = field(default_factory=dict)  # that channels were equalised by beforehand, by tensor

    @property
    def pictures(self) -> int:
        return len(self.strengths)


class Counting:
    """A histogram in the making."""

    def __init__(self) -> None:
        self._low, self._high, self._top = math.inf, -math.inf, SMALLEST_TOP
        self._counts = np.zeros(BINS, np.int64)

    def add(self, values: Array, told: str) -> float:
        """Count float32 values of any shape; their greatest magnitude. `told` names them where they are not finite."""
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(low + high):
            raise MineHatError(f"{told}: the model itself overflows there. Train or export it again; no precision "
                               "can mend that.")
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._widen(max(-low, high))
        self._counts += count(values, self._top)
        return max(-low, high)

    def histogram(self) -> Histogram:
        return Histogram(self._low, self._high, -self._top, self._top, self._counts)

    def _widen(self, greatest: float) -> None:
        """Join each two bins until `greatest` lies below the top."""
        wanted = 2.0 ** math.floor(math.log2(greatest) + 1) if greatest >= self._top else self._top
        while self._top < wanted:
            if self._counts.any():
                joined = self._counts.reshape(-1, 2).sum(axis=1)
                self._counts = np.pad(joined, len(joined) // 2)
            self._top *= 2


def gather(model: ModelProto, tensors: Iterable[str], averaged: Iterable[str], walk: Walk) -> Seen:
    """Histograms of the named activations, and the channel means of those to be averaged, over all pictures.

    The graph's input may be averaged too. Raises MineHatError for activations that are not finite.
    """
    names, averaged = list(tensors), list(averaged)
    session = session_of(exposed(model, names))
    (feed,) = (entry.name for entry in session.get_inputs())
    found = {name: Counting() for name in names}
    sums: dict[str, Array] = {name: np.zeros(1) for name in averaged}
    strengths = []
    for path, batch in walk("calibrating"):
        values = dict(zip(names, session.run(names, {feed: batch}), strict=True)) | {feed: batch}
        greatest = [found[name].add(values[name], f"tensor {name} is not finite on {path}") for name in names]
        strengths.append(np.log2(np.maximum(greatest, SMALLEST_TOP)).mean())
        for name in averaged:
            sums[name] = sums[name] + values[name].mean(axis=(0, 2, 3), dtype=np.float64)
    return Seen({name: counting.histogram() for name, counting in found.items()},
                {name: total / max(1, len(strengths)) for name, total in sums.items()}, np.array(strengths))


def count(values: Array, top: float) -> Array:
    """How many of the float32 values fall into each of BINS equal bins from -top to top: [BINS] int64."""
    import cv2
    pieces = np.array_split(np.ascontiguousarray(values).reshape(-1), 1 + values.size // COUNTED)
    counted = [cv2.calcHist([piece], [0], None, [BINS], [-top, top]).ravel() for piece in pieces]
    return np.asarray(np.sum(counted, axis=0, dtype=np.int64))


def exposed(model: ModelProto, names: Iterable[str]) -> ModelProto:
    """A copy of the model with the named tensors as its only outputs."""
    copy = type(model)()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return copy
