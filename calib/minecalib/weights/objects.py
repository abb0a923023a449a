"""Bias correction where it counts: objects are scored as the FP32 model scores them.

Rounding moves the last convolutions' outputs a little, and not by the same amount where somebody stands as over empty
rock, which fills nearly every place. The mean over all places says nothing of that; the mean over the places where
the FP32 model sees something does, and comes out of the bias. Measured on the nano model and 5,018 rendered bare
heads: 0.7 points of recall lost before, none after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.card import ModelCard
from onnx import ModelProto

from ..graph import Wiring, key_of
from ..images import Squares
from ..ranges.histograms import exposed
from ..running import session_of

PICTURES = 128  # of the calibration set, spread over it
SEEN = 0.05  # score from which the FP32 model sees something
FEWEST = 20  # places with something, below which an anchor is left alone
BOX, OBJECTNESS = 4, 1  # fields of an anchor before those of the classes
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Objects:
    """Places of calibration pictures where the FP32 model sees something, and what its last convolutions give there.

    Their channels are taken to be YOLO's: for each anchor box, objectness and classes.
    """

    model: ModelProto  # FP32
    card: ModelCard
    squares: Squares

    def shifts(self, model: ModelProto) -> dict[str, Array]:
        """By last convolution (its first output): what its bias must gain in `model`, float64 [channels]."""
        places = self._places
        sums = {name: np.zeros((len(counts), self._fields)) for name, counts in places.counts.items()}
        for path, outputs in self._outputs(model):
            for name, output in outputs.items():
                rows, wanted = places.of[path][name]
                np.add.at(sums[name], rows[0], wanted - self._by_anchor(output)[rows])
        return {name: np.where(counts[:, None] < FEWEST, 0.0, sums[name] / np.maximum(counts, 1)[:, None]).ravel()
                for name, counts in places.counts.items()}

    @cached_property
    def _last(self) -> list[str]:
        return [key_of(node) for node in Wiring(_copy(self.model)).last_convolutions]

    @property
    def _fields(self) -> int:
        return BOX + OBJECTNESS + len(self.card.classes)

    @cached_property
    def _places(self) -> Places:
        of: dict[Path, dict[str, tuple[tuple[Array, ...], Array]]] = {}
        counts: dict[str, Array] = {}
        for path, outputs in self._outputs(self.model):
            of[path] = {}
            for name, output in outputs.items():
                values = self._by_anchor(output)
                rows = np.nonzero(_scores(values) >= SEEN)
                of[path][name] = (rows, values[rows])
                counts[name] = counts.get(name, np.zeros(len(values), int)) + np.bincount(rows[0],
                                                                                         minlength=len(values))
        return Places(of, counts)

    def _outputs(self, model: ModelProto) -> Iterator[tuple[Path, dict[str, Array]]]:
        session = session_of(exposed(model, self._last))
        (feed,) = (entry.name for entry in session.get_inputs())
        for path, batch in self.squares.some(PICTURES).walk("objects"):
            yield path, dict(zip(self._last, session.run(self._last, {feed: batch}), strict=True))

    def _by_anchor(self, output: Array) -> Array:
        """[1, anchors * fields, h, w] -> [anchors, h, w, fields]."""
        return np.moveaxis(output[0].reshape(-1, self._fields, *output.shape[2:]), 1, -1)


@dataclass(frozen=True)
class Places:
    """Where something is seen."""

    of: Mapping[Path, Mapping[str, tuple[tuple[Array, ...], Array]]]  # picture -> convolution -> rows, FP32 values
    counts: Mapping[str, Array]  # by convolution: [anchors] places


def objects_of(model: ModelProto, card: ModelCard, squares: Squares) -> Objects | None:
    """None for a network whose last convolutions cannot be laid out as YOLO's."""
    wiring = Wiring(_copy(model))
    fields = BOX + OBJECTNESS + len(card.classes)
    if any(len(wiring.array(node.input[1])) % fields for node in wiring.last_convolutions):
        return None
    return Objects(model, card, squares)


def move_biases(wiring: Wiring, shifts: Mapping[str, Array]) -> None:
    """Add [channels] to the biases of the named convolutions, however they are written."""
    for name, shift in shifts.items():
        node = wiring.producers[name]
        if node.op_type == "Conv" and len(node.input) < 3:
            node.input.append(wiring.set_array(f"{name}_bias", np.zeros(len(shift), np.float32)))
        bias = node.input[2] if node.op_type == "Conv" else node.input[1]
        values = wiring.array(bias)
        wiring.set_array(bias, (values + shift.reshape(values.shape)).astype(np.float32))


def _scores(values: Array) -> Array:
    """[..., fields] -> [...] score of the likeliest class."""
    likely = 1 / (1 + np.exp(-values[..., BOX:].astype(np.float64)))
    best: Array = likely[..., 0] * likely[..., 1:].max(axis=-1)
    return best


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy
