"""YOLOv8's boxes are means over 16 bins, worked out by a convolution whose weights are 0, 1, .. 15.

It belongs to decode: rounded to INT8 it would move boxes by pixels, and calibration takes what has a convolution below
it for the network's body. The same sum is written as a product and a ReduceSum in float32, and decode begins where it
should.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .graft import Graft

LEAST_OPSET = 13  # ReduceSum takes its axes as an input from there on


def without_bin_convolutions(graft: Graft) -> None:
    """Rewrite them in place."""
    tensors = {tensor.name: tensor for tensor in graft.graph.initializer}
    nodes = list(graft.graph.node)
    del graft.graph.node[:]
    for node in nodes:
        bins = _bins(node, tensors, graft)
        graft.graph.node.extend([node] if bins is None else _summed(graft, node, bins))


def _bins(node: Any, tensors: dict[str, Any], graft: Graft) -> npt.NDArray[Any] | None:
    """The weights [1, bins, 1, 1] of such a convolution; None for another node."""
    if node.op_type != "Conv" or len(node.input) != 2 or node.input[1] not in tensors:
        return None
    weights: npt.NDArray[Any] = graft.onnx.numpy_helper.to_array(tensors[node.input[1]])
    sides = (1, weights.size, 1, 1)
    return weights if weights.shape == sides and np.array_equal(weights.ravel(), np.arange(weights.size)) else None


def _summed(graft: Graft, node: Any, bins: npt.NDArray[Any]) -> list[Any]:
    """The same sum over axis 1, in float32 whatever the type around it."""
    output = node.output[0]
    steps: list[tuple[str, tuple[str, ...], dict[str, int]]] = [
        ("Mul", (graft.floats(bins),), {}), ("ReduceSum", (graft.ints(1),), {})]
    if bins.dtype == np.float16:
        types = graft.onnx.TensorProto
        steps = [("Cast", (), {"to": types.FLOAT}), *steps, ("Cast", (), {"to": types.FLOAT16})]
    made, x = [], node.input[0]
    for number, (op, others, attributes) in enumerate(steps, 1):
        name = output if number == len(steps) else graft.free(f"{output}.{op.lower()}")
        made.append(graft.onnx.helper.make_node(op, [x, *others], [name], name=name, **attributes))
        x = name
    return made
