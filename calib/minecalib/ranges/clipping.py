"""How much of what was seen a range keeps: all of it, or the part that eight bits serve best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError

from .histograms import Histogram

METHODS = ("max", "percentile", "mse", "entropy")
SHARES = np.linspace(0.02, 1.0, 99)  # of the whole range, that the searching methods try
LEVELS = 127  # of a magnitude
UNSIGNED_LEVELS = 255
LEAST = 1e-3  # counts of a bin that only clipped values fill
Array = npt.NDArray[Any]


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


def two_sided(histogram: Histogram, clipping: Clipping) -> tuple[float, float]:
    """The range (least, greatest) to keep, each side clipped by itself. Always holds 0."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if clipping.method == "percentile":
        below, above = _two_quantiles(histogram, clipping.percentile)
        low, high = max(low, below), min(high, above)
    elif clipping.method == "mse":
        low, high = _least_squares(histogram, UNSIGNED_LEVELS)
    elif clipping.method == "entropy":
        magnitude = _least_divergence(histogram.magnitudes(), UNSIGNED_LEVELS)
        low, high = max(low, -magnitude), min(high, magnitude)
    return min(low, 0.0), max(high, 0.0)


def symmetric(histogram: Histogram, clipping: Clipping) -> float:
    """The greatest magnitude to keep."""
    folded = histogram.magnitudes()
    if clipping.method == "percentile":
        return min(folded.high, _two_quantiles(folded, clipping.percentile)[1])
    if clipping.method == "mse":
        return _least_squares(folded, LEVELS)[1]
    if clipping.method == "entropy":
        return _least_divergence(folded, LEVELS)
    return folded.high


def _two_quantiles(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """Where half of what `percentile` leaves out lies below, and half above."""
    tail = (100 - percentile) / 200
    share = np.concatenate([[0.0], np.cumsum(histogram.counts)]) / histogram.counts.sum()
    low = np.interp(tail, share, histogram.edges)
    # Searched from above, so that empty bins below the last value do not count as filled.
    high = -np.interp(tail, 1 - share[::-1], -histogram.edges[::-1])
    return float(low), float(high)


def _least_squares(histogram: Histogram, levels: int) -> tuple[float, float]:
    """The range whose equal steps lose least: rounding inside it and clipping outside, squared."""
    filled = histogram.counts > 0
    centres, counts = histogram.centres[filled], histogram.counts[filled]

    def loss(low: Array, high: Array) -> Array:
        """[k] candidates -> [k] squared error."""
        rounding = (high - low) ** 2 / (12 * levels**2)
        clipped = centres - np.clip(centres, low[:, None], high[:, None])
        return np.asarray((clipped**2 + rounding[:, None]) @ counts)

    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(2):  # one side at a time; the second round changes little
        highs = max(histogram.high, 0.0) * SHARES
        high = float(highs[loss(np.full_like(highs, low), highs).argmin()])
        lows = min(histogram.low, 0.0) * SHARES
        low = float(lows[loss(lows, np.full_like(lows, high)).argmin()])
    return low, high


def _least_divergence(folded: Histogram, levels: int) -> float:
    """The magnitude at which `levels` steps tell most of how the values are spread (Kullback-Leibler).

    As Migacz, 8-bit inference with TensorRT, GTC 2017: what is clipped piles up in the last bin of the
    original, and each step's count is shared by its bins that are not empty.
    """
    bins = int(np.flatnonzero(folded.counts).max(initial=0)) + 1
    tried = np.unique(np.maximum(np.ceil(SHARES * bins), min(levels + 1, bins)).astype(int))
    best = min(tried, key=lambda kept: _divergence(folded.counts[:bins].astype(np.float64), int(kept), levels))
    return min(folded.high, float(folded.edges[best]))


def _divergence(counts: Array, kept: int, levels: int) -> float:
    original = counts[:kept].copy()
    steps = np.arange(kept) * levels // kept
    filled = original > 0
    if not filled.any():
        return np.inf
    sums, members = np.bincount(steps, original, levels), np.bincount(steps, filled, levels)
    coarse = np.where(filled, sums[steps] / np.maximum(members[steps], 1), 0.0)
    original[-1] += counts[kept:].sum()
    told = original > 0
    p = original[told] / original.sum()
    coarse = np.maximum(coarse[told], LEAST)
    q = coarse / coarse.sum()
    return float((p * np.log(p / q)).sum())
