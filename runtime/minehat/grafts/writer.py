"""Nodes written at the end of an ONNX graph, one call each, all under one prefix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import KEY, ModelCard
from ..guests import load_onnx

AXES_AS_INPUT = 18  # opset from which ReduceMax and ReduceMin take them so; ReduceSum does from 13


class Writer:
    """Adds nodes and constants to `model` (an onnx.ModelProto) in place; tensors are passed around by name."""

    def __init__(self, model: Any, prefix: str) -> None:
        self._onnx = load_onnx("graft onto a network")
        self.graph, self._prefix, self._count = model.graph, prefix, 0
        self._opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))

    def __call__(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node. Returns its output's name, or the list of them where there are several."""
        made = [self.name(op) for _ in range(outputs)]
        self.node(op, inputs, made, **attributes)
        return made[0] if outputs == 1 else made

    def node(self, op: str, inputs: tuple[str, ...], outputs: list[str], **attributes: Any) -> None:
        """Add a node whose outputs bear the names given."""
        name = outputs[0] if outputs[0].startswith(self._prefix) else self.name(op)
        node = self._onnx.helper.make_node(op, inputs, outputs, name=name, **attributes)
        self.graph.node.append(node)

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add an initializer."""
        name = self.name("constant")
        self.graph.initializer.append(self._onnx.numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def reduced(self, how: str, x: str, axis: int) -> str:
        """Max, Min or Sum over one axis, which goes."""
        if how == "Sum" or self._opset >= AXES_AS_INPUT:
            name: str = self(f"Reduce{how}", x, self.constant([axis], np.int64), keepdims=0)
        else:
            name = self(f"Reduce{how}", x, axes=[axis], keepdims=0)
        return name

    def widened(self, x: str, axis: int) -> str:
        """With an axis of one at `axis`."""
        name: str = self("Unsqueeze", x, self.constant([axis], np.int64))
        return name

    def cast(self, x: str, to: str, name: str | None = None) -> str:
        """In another type: FLOAT, INT64. `name` where the result has to bear one."""
        made = name or self.name("Cast")
        self.node("Cast", (x,), [made], to=getattr(self._onnx.TensorProto, to))
        return made

    def rows(self, values: str, rows: str, width: int) -> str:
        """Of [N, B, width] values those [N, K] int64 rows: [N, K, width]."""
        indices = self("Tile", self.widened(rows, 2), self.constant([1, 1, width], np.int64))
        name: str = self("GatherElements", values, indices, axis=1)
        return name

    def name(self, op: str) -> str:
        """A new name for what a node of that kind makes."""
        self._count += 1
        return f"{self._prefix}/{op}_{self._count}"


def set_card(model: Any, card: ModelCard) -> None:
    """Let `model` (an onnx.ModelProto) carry `card`; its other metadata stays."""
    kept = {entry.key: entry.value for entry in model.metadata_props} | {KEY: card.to_json()}
    load_onnx("graft onto a network").helper.set_model_props(model, kept)
