"""A network without its Q/DQ pairs: weights float again, and the scales that its activations had, by name."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MineHatError
from ..guests import load_onnx

PURPOSE = "translate INT8 for the DLA (--dla)"
PAIR = ("QuantizeLinear", "DequantizeLinear")


def unquantized(model: Any) -> tuple[Any, dict[str, float]]:
    """A copy of an onnx.ModelProto without Q/DQ, and the scale (one INT8 step) of each tensor that had a pair.

    Weights keep the values that they were rounded to. A tensor with several pairs has the largest of their scales,
    so that none of its readers sees it clipped more. Raises MineHatError where a pair is not symmetric INT8 with
    one scale a tensor.
    """
    onnx = load_onnx(PURPOSE)
    stripped = onnx.ModelProto()
    stripped.CopyFrom(model)
    graph = stripped.graph
    arrays = {entry.name: entry for entry in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    scales: dict[str, float] = {}
    renamed: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        if node.input[0] in arrays:
            values = _dequantized(onnx, node, arrays)
            graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
            continue
        rounded, scale = _pair(onnx, node, makers, arrays)
        tensor = renamed.get(rounded, rounded)
        scales[tensor] = max(scale, scales.get(tensor, 0.0))
        renamed[node.output[0]] = tensor
    _take_out(onnx, graph, renamed)
    return stripped, scales


def _dequantized(onnx: Any, node: Any, arrays: dict[str, Any]) -> npt.NDArray[Any]:
    """The values of DequantizeLinear over a constant, of its scale's type."""
    values, scale, *zero = (onnx.numpy_helper.to_array(arrays[name]) for name in node.input)
    if values.dtype != np.int8 or (zero and np.any(zero[0])):
        raise MineHatError(f"--dla: {node.input[0]!r} is not symmetric INT8. Make the file again: "
                           "`python calib/quantize.py --precision int8 --form tensorrt`")
    if scale.ndim:
        axis = next((entry.i for entry in node.attribute if entry.name == "axis"), 1) % values.ndim
        scale = scale.reshape([-1 if side == axis else 1 for side in range(values.ndim)])
    return np.asarray(values.astype(scale.dtype) * scale)


def _pair(onnx: Any, node: Any, makers: dict[str, Any], arrays: dict[str, Any]) -> tuple[str, float]:
    """The tensor that a pair rounds, and its scale."""
    quantize = makers.get(node.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        raise MineHatError(f"--dla: {node.name!r} dequantizes what no QuantizeLinear made. Make the file again: "
                           "`python calib/quantize.py --precision int8 --form tensorrt`")
    scale = onnx.numpy_helper.to_array(arrays[node.input[1]])
    if scale.size != 1:
        raise MineHatError(f"--dla: {quantize.input[0]!r} has {scale.size} scales, a calibration table holds one a "
                           "tensor. Make the file again: `python calib/quantize.py --precision int8`")
    return str(quantize.input[0]), float(scale.reshape(()))


def _take_out(onnx: Any, graph: Any, renamed: dict[str, str]) -> None:
    """Remove the pairs, let their readers read what they rounded, and drop constants that nobody reads now."""
    outputs = {entry.name for entry in graph.output}
    kept = [node for node in graph.node if node.op_type not in PAIR]
    for node in kept:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    kept += [onnx.helper.make_node("Identity", [tensor], [name], name=f"{name}.unrounded")
             for name, tensor in renamed.items() if name in outputs]
    read = Counter(name for node in kept for name in node.input)
    constants = [entry for entry in graph.initializer if read[entry.name] or entry.name in outputs]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(constants)
