"""The ranges of activations: histograms gathered in two walks over the pictures, then clipped by a method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from onnx import ModelProto, helper

from .running import session_of

BINS = 2048
METHODS = ("max", "percentile", "mse")
Array = npt.NDArray[Any]
Walk = Callable[[str], Iterator[tuple[Path, Array]]]  # label -> (path, batch float32 [1, 3, H, W])


@dataclass(frozen=True)
class Histogram:
    """How often one tensor took each value. Bin i spans edges[i] to edges[i + 1]."""

    low: float  # the least value seen
    high: float
    counts: Array  # [BINS] int64

    @property
    def edges(self) -> Array:
        """[BINS + 1] float64."""
        return np.linspace(self.low, self.high, len(self.counts) + 1)

    @property
    def centres(self) -> Array:
        """[BINS] float64."""
        return (self.edges[1:] + self.edges[:-1]) / 2


@dataclass(frozen=True)
class Clipping:
    """How a range is chosen from what was seen."""

    method: str = "percentile"  # one of METHODS
    percentile: float = 99.999  # of values that stay inside; for method percentile

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise MineHatError(f"--method must be one of {', '.join(METHODS)}, found {self.method!r}.")
        if not 50 < self.percentile <= 100:
            raise MineHatError(f"--percentile must lie above 50 and up to 100, found {self.percentile}.")

    @property
    def text(self) -> str:
        return f"{self.method} {self.percentile:g}" if self.method == "percentile" else self.method


def gather(model: ModelProto, tensors: Iterable[str], walk: Walk,
           after_first: Callable[[], None]) -> dict[str, Histogram]:
    """Histograms of the named activations over all pictures. Memory depends on the model alone.

    The first walk finds least and greatest values, the second counts in bins between them;
    `after_first` is called in between and may raise. Raises MineHatError for non-finite activations.
    """
    names = list(tensors)
    session = session_of(_exposed(model, names))
    (feed,) = (entry.name for entry in session.get_inputs())
    limits = _limits(names, ((path, session.run(names, {feed: batch})) for path, batch in walk("ranges 1/2")))
    after_first()
    counts = {name: np.zeros(BINS, np.int64) for name in names}
    for _, batch in walk("ranges 2/2"):
        for name, values in zip(names, session.run(names, {feed: batch}), strict=True):
            counts[name] += count(values, *limits[name])
    return {name: Histogram(*limits[name], counts[name]) for name in names}


def count(values: Array, low: float, high: float) -> Array:
    """How many of the float32 values fall into each of BINS equal bins from `low` to `high`: [BINS] int64."""
    import cv2
    top = float(np.nextafter(np.float32(high), np.float32(np.inf)))  # OpenCV leaves the upper edge out
    pieces = np.array_split(values.reshape(-1), 1 + values.size // 2**23)  # it counts in float32
    counted = [cv2.calcHist([piece], [0], None, [BINS], [low, top]).ravel() for piece in pieces]
    return np.asarray(np.sum(counted, axis=0, dtype=np.int64))


def two_sided(histogram: Histogram, clipping: Clipping) -> tuple[float, float]:
    """The range (least, greatest) to keep, each side clipped by itself. Always holds 0."""
    low, high = histogram.low, histogram.high
    if clipping.method == "percentile":
        low, high = _two_quantiles(histogram, clipping.percentile)
    elif clipping.method == "mse":
        low, high = _least_squares(histogram, steps=255)
    return min(low, 0.0), max(high, 0.0)


def symmetric(histogram: Histogram, clipping: Clipping) -> float:
    """The greatest magnitude to keep."""
    folded = _folded(histogram)
    if clipping.method == "percentile":
        return _two_quantiles(folded, clipping.percentile)[1]
    if clipping.method == "mse":
        return _least_squares(folded, steps=127)[1]
    return folded.high


def _limits(names: list[str],
            runs: Iterable[tuple[Path, list[Array]]]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of each tensor over all runs."""
    limits = {name: (np.inf, -np.inf) for name in names}
    for path, outputs in runs:
        for name, values in zip(names, outputs, strict=True):
            low, high = float(values.min()), float(values.max())
            if not np.isfinite(low + high):
                raise MineHatError(f"tensor {name} is not finite on {path}: the model itself overflows there. "
                                   "Train or export it again; no precision can mend that.")
            limits[name] = min(limits[name][0], low), max(limits[name][1], high)
    return limits


def _exposed(model: ModelProto, names: list[str]) -> ModelProto:
    """A copy of the model with the named tensors as its only outputs."""
    copy = type(model)()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return copy


def _two_quantiles(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """Where half of what `percentile` leaves out lies below, and half above."""
    tail = (100 - percentile) / 200
    share = np.concatenate([[0.0], np.cumsum(histogram.counts)]) / histogram.counts.sum()
    low = np.interp(tail, share, histogram.edges)
    # Searched from above, so that empty bins below the last value do not count as filled.
    high = -np.interp(tail, 1 - share[::-1], -histogram.edges[::-1])
    return float(low), float(high)


def _folded(histogram: Histogram) -> Histogram:
    """The histogram of magnitudes."""
    top = max(abs(histogram.low), abs(histogram.high))
    rows = np.abs(histogram.centres) * (BINS / top if top else 0.0)
    counts = np.bincount(np.minimum(rows.astype(np.int64), BINS - 1), histogram.counts, BINS)
    return Histogram(0.0, top, counts.astype(np.int64))


def _least_squares(histogram: Histogram, steps: int) -> tuple[float, float]:
    """The range whose equal steps lose least: rounding inside it and clipping outside, squared."""
    centres, counts = histogram.centres, histogram.counts

    def loss(low: Array, high: Array) -> Array:
        """[k] candidates -> [k] squared error."""
        rounding = (high - low) ** 2 / (12 * steps**2)
        clipped = centres - np.clip(centres, low[:, None], high[:, None])
        return np.asarray((clipped**2 + rounding[:, None]) @ counts)

    shares = np.linspace(0.02, 1.0, 99)
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(2):  # one side at a time; the second round changes little
        highs = max(histogram.high, 0.0) * shares
        high = float(highs[loss(np.full_like(highs, low), highs).argmin()])
        lows = min(histogram.low, 0.0) * shares
        low = float(lows[loss(lows, np.full_like(lows, high)).argmin()])
    return low, high
