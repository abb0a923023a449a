"""Which layers are suspected: by the noise that each adds itself, the worst of them by what they do to the scores."""

from __future__ import annotations

from dataclasses import dataclass, replace

from minehat.progress import bar

from ..check import drift
from ..images import Squares
from ..lowering import Job
from ..placement import Layer
from .drift import own_noise

PICTURES = 16
MEASURED = 24  # layers whose effect on the scores is measured, those that look worst


@dataclass(frozen=True)
class Suspect:
    """A layer and what speaks against it."""

    layer: Layer
    noise: float  # over signal, at the outputs of its convolutions, when it alone is rounded
    sqnr: float | None  # dB, of the scores when it alone is rounded; None where that was not measured


def suspects(job: Job) -> list[Suspect]:
    """All layers, the most suspected first, as some of the calibration pictures show them."""
    placement = job.lowered().placement
    assert placement is not None
    some = job.squares.some(PICTURES)
    noises = own_noise(job.parent.wiring(), job.layers(), placement,
                       (batch for _, batch in some.walk("drift of layers")))
    layers = sorted(job.layers(), key=lambda layer: -noises[layer.tensor])
    alone = {layer.tensor: _alone(job, some, layer, layers)
             for layer in bar(layers[:MEASURED], label="sensitivity")}
    worst = sorted(layers[:MEASURED], key=lambda layer: alone[layer.tensor])
    return [Suspect(layer, noises[layer.tensor], alone.get(layer.tensor)) for layer in worst + layers[MEASURED:]]


def _alone(job: Job, some: Squares, layer: Layer, layers: list[Layer]) -> float:
    """SQNR of the scores in dB when this layer alone is in INT8."""
    others = [other.tensor for other in layers if other is not layer]
    model = replace(job, wish=replace(job.wish, precision="int8"), objects=None).lowered(others).model
    return drift(job.parent.model, model, (batch for _, batch in some.some(PICTURES // 2).walk("comparing"))).sqnr
