"""The range of each rounded tensor against the values that were seen: clipped, or left unused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..graph import Wiring, key_of
from ..job import Job, names_of
from ..lowering import Lowered
from ..placement import Pair
from ..ranges import Histogram
from .facts import Elsewhere

MIDDLE = 0.998  # share of the values whose span tells how much of a grid is used
WORST = 12  # tensors that are drawn: half of them clip most, the other half use least
BARS = 90
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Grid:
    """One pair's range, and what calibration and other pictures put into it. Shares are 0 to 1."""

    name: str  # what makes the tensor
    layer: str  # what it is lifted with
    pair: Pair
    seen: Histogram | None  # in calibration; None for the input, whose range needs no measuring
    others: tuple[Histogram | None, ...]  # elsewhere

    @property
    def clipped(self) -> float | None:
        """Share of the values outside, in calibration."""
        return self._outside(self.seen)

    @property
    def clipped_elsewhere(self) -> list[float | None]:
        return [self._outside(one) for one in self.others]

    @property
    def used(self) -> float | None:
        """Share of the range that the middle 99.8 % of the values span in calibration."""
        if self.seen is None or self.pair.high <= self.pair.low:
            return None
        low, high = np.clip(_middle(self.seen), self.pair.low, self.pair.high)
        return float((high - low) / (self.pair.high - self.pair.low))

    def _outside(self, histogram: Histogram | None) -> float | None:
        return histogram.outside(self.pair.low, self.pair.high) if histogram else None


def grids(job: Job, lowered: Lowered, elsewhere: Sequence[Elsewhere]) -> list[Grid]:
    """Of all pairs, in the order of the graph; none where nothing is rounded."""
    if lowered.placement is None:
        return []
    wiring, names = job.parent.wiring(), names_of(job)
    layers = {tensor: names[layer.tensor] for layer in job.layers() for tensor in layer.tensors}
    seen = job.seen.histograms if job.seen else {}
    return [Grid(_maker(wiring, pair.tensor), layers.get(pair.tensor, "part of a join"), pair, seen.get(pair.tensor),
                 tuple(other.seen.histograms.get(pair.tensor) for other in elsewhere))
            for pair in lowered.placement.pairs]


def worst(found: Sequence[Grid]) -> list[Grid]:
    """Each tensor once: those that clip most, wherever, and of the others those that use their range least."""
    measured = list({one.pair.tensor: one for one in found if one.seen is not None}.values())
    clipping = sorted(measured, key=lambda one: -max(share or 0.0 for share in (one.clipped, *one.clipped_elsewhere)))
    first = clipping[:WORST // 2]
    idle = sorted((one for one in measured if one not in first), key=lambda one: one.used or 0.0)
    return first + idle[:WORST - len(first)]


def bars(grid: Grid) -> Array:
    """[BARS + 1] edges, over the range and all that was seen in calibration and elsewhere."""
    known = [one for one in (grid.seen, *grid.others) if one is not None]
    bins = [(one.top - one.bottom) / len(one.counts) for one in known]
    low = min(grid.pair.low, *(one.low - width for one, width in zip(known, bins, strict=True)))
    high = max(grid.pair.high, *(one.high + width for one, width in zip(known, bins, strict=True)))
    return np.linspace(low, high, BARS + 1)


def shares(histogram: Histogram, edges: Array) -> Array:
    """[n] share of the values between each two of [n + 1] edges; counts are spread evenly over a bin."""
    below = np.concatenate([[0], np.cumsum(histogram.counts)]) / histogram.counts.sum()
    counted: Array = np.diff(np.interp(edges, histogram.edges, below))
    return counted


def _middle(histogram: Histogram) -> tuple[float, float]:
    """Between which values the middle ones lie."""
    below = np.cumsum(histogram.counts) / histogram.counts.sum()
    tail = (1 - MIDDLE) / 2
    first, last = np.searchsorted(below, [tail, 1 - tail])
    return float(histogram.edges[first]), float(histogram.edges[min(int(last) + 1, len(below))])


def _maker(wiring: Wiring, tensor: str) -> str:
    """The operations that make a tensor, from the last convolution on."""
    node = wiring.producers.get(tensor)
    if node is None:
        return "input"
    if node.op_type == "Conv":
        return str(node.input[1]).removeprefix("network.").removesuffix(".weight")
    places = {key_of(one): place for place, one in enumerate(wiring.graph.node)}
    latest = max(wiring.activations(node), key=lambda name: places.get(name, -1))
    return f"{_maker(wiring, latest)}, {node.op_type}"
