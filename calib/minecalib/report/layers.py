"""How far the output of each convolution, and the scores, drift from those of the FP32 model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..gate.sensitivity import Suspect
from ..graph import key_of
from ..job import Job
from ..lowering import Lowered
from ..placement import lifted_tensors
from ..ranges.histograms import exposed
from ..running import session_of

SCORES = "scores"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerDrift:
    """One layer, with the noise of all before it."""

    name: str
    sqnr: float  # dB, signal over noise; infinite when equal
    cosine: float  # between the outputs; 1 is alike
    lifted: bool
    own: float | None  # dB, when this layer alone is rounded; None where the gate did not measure
    alone: float | None  # dB, of the scores then


def drifts(job: Job, lowered: Lowered, batches: Iterable[Array], suspects: Sequence[Suspect]) -> list[LayerDrift]:
    """In the order of the graph, the scores last. batches: float32 [1, 3, H, W], at least one."""
    convolutions = job.parent.wiring().convolutions
    names = [*map(key_of, convolutions), SCORES]
    sums = _sums(job, lowered, names, batches)
    lifted = lifted_tensors(job.layers(), lowered.placement.lifted) if lowered.placement else frozenset()
    by_convolution = {name: suspect for suspect in suspects for name in suspect.layer.convolutions}
    told = {key_of(node): _name(node.input[1]) for node in convolutions} | {SCORES: SCORES}
    inputs = {key_of(node): node.input[0] for node in convolutions}
    return [_drift(told[name], row, inputs.get(name) in lifted, by_convolution.get(name))
            for name, row in zip(names, sums, strict=True)]


def _drift(name: str, sums: Array, lifted: bool, suspect: Suspect | None) -> LayerDrift:
    ours, theirs, product, noise = sums
    cosine = product / np.sqrt(ours * theirs) if ours and theirs else 1.0 if ours == theirs else 0.0
    return LayerDrift(name, decibels(noise / ours if ours else 0.0), float(cosine), lifted,
                      decibels(suspect.noise) if suspect else None, suspect.sqnr if suspect else None)


def decibels(noise: float) -> float:
    """Signal over noise in dB, of noise over signal."""
    return float(-10 * np.log10(noise)) if noise else np.inf


def _sums(job: Job, lowered: Lowered, names: Sequence[str], batches: Iterable[Array]) -> Array:
    """[names, 4] float64: squares of the FP32 values, of the others, their products, squares of the differences.

    As outputs of the graph, tensors survive all that ONNX Runtime joins.
    """
    parent, child = (session_of(exposed(model, names)) for model in (job.parent.model, lowered.judged))
    (feed,) = (entry.name for entry in parent.get_inputs())
    sums = np.zeros((len(names), 4))
    for batch in batches:
        pairs = zip(parent.run(names, {feed: batch}), child.run(names, {feed: batch}), strict=True)
        for row, (ours, theirs) in enumerate(pairs):
            sums[row] += _compared(ours, theirs if theirs.shape == ours.shape else from_blocks(theirs))
    return sums


def _compared(ours: Array, theirs: Array) -> tuple[float, float, float, float]:
    a, b = (values.astype(np.float64).ravel() for values in (ours, theirs))
    difference = a - b
    return float(a @ a), float(b @ b), float(a @ b), float(difference @ difference)


def from_blocks(values: Array) -> Array:
    """[1, 4 * C, H, W] -> [1, C, 2 * H, 2 * W]: what the CPU form's first convolution makes (see forms/stem.py), in
    the usual arrangement."""
    _, channels, height, width = values.shape
    blocks = values.reshape(2, 2, channels // 4, height, width)  # row and column within a block, channel, block
    return blocks.transpose(2, 3, 0, 4, 1).reshape(1, channels // 4, 2 * height, 2 * width)


def _name(weights: str) -> str:
    return weights.removeprefix("network.").removesuffix(".weight")
