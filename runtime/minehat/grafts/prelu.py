"""LeakyRelu as PRelu with a constant slope, which every deep learning accelerator (DLA) of an Orin takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MineHatError
from ..guests import load_onnx

PURPOSE = "rewrite activations for the DLA (--dla)"
USUAL_ALPHA = 0.01  # of ONNX, where LeakyRelu names none


def with_prelu(model: Any) -> Any:
    """A copy of an onnx.ModelProto whose LeakyRelu nodes are PRelu nodes with slopes [C, 1, 1] of their tensor's type.

    Names of nodes and tensors stay. FP32 computes the same; in FP16 the slope is rounded to it (0.1 by 2.4e-4 of
    itself). Raises MineHatError where a LeakyRelu's type or channels cannot be told.
    """
    onnx = load_onnx(PURPOSE)
    grafted = onnx.ModelProto()
    grafted.CopyFrom(model)
    leaky = [node for node in grafted.graph.node if node.op_type == "LeakyRelu"]
    if not leaky:
        return grafted
    known = _tensors(onnx, model)
    slopes: dict[str, Any] = {}
    for node in leaky:
        slope = _slope(onnx, node, known.get(node.input[0]))
        slopes.setdefault(slope.name, slope)
        node.op_type = "PRelu"
        node.input.append(slope.name)
        del node.attribute[:]
    grafted.graph.initializer.extend(slopes.values())
    return grafted


def _tensors(onnx: Any, model: Any) -> dict[str, Any]:
    """Name -> type and shape, as far as they can be inferred."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {info.name: info.type.tensor_type for info in (*graph.input, *graph.value_info, *graph.output)}


def _slope(onnx: Any, node: Any, tensor: Any) -> Any:
    """The initializer with a node's slope for each channel; nodes that are alike share its name."""
    sides = [side.dim_value for side in tensor.shape.dim] if tensor is not None else []
    if len(sides) < 2 or not sides[1] or not tensor.elem_type:
        raise MineHatError(f"--dla: the channels of {node.input[0]!r}, which LeakyRelu {node.name!r} reads, cannot be "
                           "told. Export the model again: `python export/to_onnx.py CKPT OUT.onnx`")
    alpha = next((onnx.helper.get_attribute_value(entry) for entry in node.attribute), USUAL_ALPHA)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    shape = (sides[1], *(1,) * (len(sides) - 2))
    return onnx.numpy_helper.from_array(np.full(shape, alpha, dtype),
                                        f"minehat.slope.{alpha:.6g}.{dtype.name}.{'x'.join(map(str, shape))}")
