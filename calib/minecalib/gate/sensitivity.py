"""Which layers are suspected: by what each, rounded alone, does to the scores, and by what it would cost to lift it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from minehat.progress import bar, muted

from ..check import drift
from ..cost import multiplications, relative_cost
from ..job import Job
from ..placement import Layer
from .drift import own_noise

PICTURES = 16
MEASURED = 100  # layers whose effect on the scores is measured, those that drift most
CHEAP = 0.005  # of the whole arithmetic; layers below it are as good as free


@dataclass(frozen=True)
class Suspect:
    """A layer and what speaks against it."""

    layer: Layer
    noise: float  # over signal, at the outputs of its convolutions, when it alone is rounded
    sqnr: float | None  # dB, of the scores when it alone is rounded; None where that was not measured
    cost: float  # estimated arithmetic that lifting it adds, all in INT8 being 1

    @property
    def weight(self) -> float:
        """What lifting it would mend, for its price."""
        return 0.0 if self.sqnr is None else 10 ** (-self.sqnr / 10) / (self.cost + CHEAP)


def suspects(job: Job) -> list[Suspect]:
    """All layers, the most suspected first, as some of the calibration pictures show them."""
    placement = job.lowered().placement
    assert placement is not None
    some = job.squares.some(PICTURES)
    noises = own_noise(job.parent.wiring(), job.layers(), placement,
                       (batch for _, batch in some.walk("drift of layers")))
    batches = [batch for _, batch in some.walk("reading")]
    layers = sorted(job.layers(), key=lambda layer: -noises[layer.tensor])
    counts = multiplications(job.parent.wiring())
    alone = {layer.tensor: _alone(job, batches, layer, layers)
             for layer in bar(layers[:MEASURED], label="sensitivity of layers")}
    found = [Suspect(layer, noises[layer.tensor], alone.get(layer.tensor),
                     relative_cost(counts, layers, [layer.tensor], job.wish.precision) - 1) for layer in layers]
    return sorted(found, key=lambda suspect: -suspect.weight)


def _alone(job: Job, batches: list[np.ndarray], layer: Layer, layers: list[Layer]) -> float:
    """SQNR of the scores in dB when this layer alone is in INT8."""
    others = [other.tensor for other in layers if other is not layer]
    model = replace(job, wish=replace(job.wish, precision="int8"), objects=None).lowered(others).model
    with muted():
        return drift(job.parent.model, model, batches).sqnr
