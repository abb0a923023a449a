"""The decode that a graph carries: run by itself, to find out its anchors and whether the runtime's does the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import ModelCard
from ..decoding import boxes_over
from ..errors import MineHatError

Array = npt.NDArray[Any]
FAR = 60.0  # a logit whose sigmoid is 1, and its negative's 0
AGREED_PX, AGREED_SCORE = 1e-4, 1e-6  # pixels of a box up to 100 wide; of larger ones as much more


@dataclass(frozen=True)
class RawMap:
    """A tensor that decode reads, float32 [N, channels, height, width]."""

    name: str
    channels: int
    height: int
    width: int

    @property
    def cells(self) -> int:
        return self.height * self.width


class DecodeInside:
    """Nodes of a graph that make boxes and scores of its maps alone, run by the onnx package."""

    def __init__(self, onnx: Any, model: Any, tensors: set[str], maps: Sequence[RawMap], card: ModelCard) -> None:
        """tensors: those that the nodes make."""
        from onnx.reference import ReferenceEvaluator
        nodes = [node for node in model.graph.node if node.output[0] in tensors]
        read = {name for node in nodes for name in node.input}
        kind, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            nodes, "decode", [info(one.name, kind, [1, one.channels, one.height, one.width]) for one in maps],
            [info(name, kind, None) for name in card.outputs],
            [entry for entry in model.graph.initializer if entry.name in read])
        alone = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        self.maps, self._outputs, self._runs = maps, list(card.outputs), ReferenceEvaluator(alone)

    def __call__(self, raw: Sequence[Array]) -> tuple[Array, Array]:
        """Maps [channels, h, w] -> boxes [B, 4] and scores [B, C]."""
        given = {one.name: values[None] for one, values in zip(self.maps, raw, strict=True)}
        boxes, scores = self._runs.run(self._outputs, given)
        return boxes[0], scores[0]

    def boxes_at(self, logit: float, fields: int) -> Array:
        """The boxes of anchors as they are, their centres as far into their cells as a logit says."""
        raw = [np.zeros((one.channels // fields, fields, one.height, one.width), np.float32) for one in self.maps]
        for values in raw:
            values[:, :2] = logit
        return self([values.reshape(-1, *values.shape[2:]) for values in raw])[0]


def measured(decode: DecodeInside, card: ModelCard) -> ModelCard:
    """The card for what is left without that decode. Raises MineHatError where the runtime's is another."""
    maps, fields = decode.maps, 5 + len(card.classes)
    each = maps[0].channels // fields
    least, most = (decode.boxes_at(logit, fields) for logit in (-FAR, FAR))
    if least.shape != (each * sum(one.cells for one in maps), 4):
        raise stranger(card)
    first = np.concatenate([[0], np.cumsum([one.cells for one in maps for _ in range(each)])[:-1]])
    sides = (least[:, 2:] - least[:, :2])[first]
    moved = (most - least)[0, 0] * maps[0].width / card.width
    try:
        child = card.with_(decode="outside", reach=_meant(moved),
                           anchors=tuple((_meant(wide), _meant(high)) for wide, high in sides),
                           outputs=tuple(f"map_{card.width // one.width}" for one in maps))
    except ValueError as exc:  # of a decode that is another
        raise stranger(card) from exc
    if not _agree(decode, child):
        raise stranger(card)
    return child


def _agree(decode: DecodeInside, card: ModelCard) -> bool:
    """Whether both make the same of random maps, whose logits and sides go far beyond the usual."""
    random = np.random.default_rng(0)
    raw = [random.normal(0, 3, (one.channels, one.height, one.width)).astype(np.float32) for one in decode.maps]
    boxes, scores = decode(raw)
    ours, our_scores = boxes_over(raw, card, conf=0.0)
    if (boxes.shape, scores.shape) != (ours.shape, our_scores.shape):
        return False
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    near: Array = np.abs(ours - boxes) <= AGREED_PX * np.maximum(sides / 100, 1)
    return bool(near.all() and (np.abs(our_scores - scores) <= AGREED_SCORE).all())


def _meant(found: float) -> float:
    """The number of one decimal, as anchors are, where float32 lies that near to it."""
    near = round(float(found), 1)
    return near if abs(near - found) <= 1e-5 * max(1.0, near) else float(found)


def stranger(card: ModelCard) -> MineHatError:
    """The error for a decode that is another."""
    return MineHatError(f"{card.name}: its decode is not the one that the runtime has (maps [N, A*(5+C), h, w]; "
                        "sigmoid for centres and scores, exp for sides, clamped at 6). Decode can be outside for "
                        "models of `python export/to_onnx.py`.")
