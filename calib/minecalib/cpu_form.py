"""INT8 as ONNX Runtime's CPU kernels want it: unsigned activations, signed weights, a pair after every operation.

Pairs stand after convolutions and after LeakyReLU too: ONNX Runtime makes a convolution integer only
where its input, weights, bias and output all are. The last convolutions feed decode, which wants more than eight
bits of them; they are written as ConvInteger, whose 32-bit sums go to FP32 as they are.

The first two convolutions are rearranged beforehand (see `stem`), and the last ones' weights are
stored unsigned with zero 128, for which ConvInteger's kernel is ten times faster.

Weights use all of -127..127, which wants VNNI (or ARM's dot product): on older x86 CPUs 16-bit sums of two products
saturate (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import NodeProto, TensorProto

from .graph import Wiring, key_of
from .qdq import Grid, add_pair, channel_scales, dequantized_weights, integers, quantized, unsigned_grid
from .stem import fold_stem, widen_input

SAME_GRID = frozenset({"Resize", "MaxPool", "ReduceMax"})  # they only choose numbers: out as they came in
INTEGER_OPS = SAME_GRID | {"Conv", "LeakyRelu", "Relu", "Add", "Mul", "Sigmoid", "Concat"}
LARGEST_BIAS = 2.0**30  # in steps; leaves half of INT32 to the sums


def tensors_of(wiring: Wiring) -> list[str]:
    """The tensors whose ranges are wanted."""
    return [name for name in _paired(wiring) if not _moved_from(wiring, name)]


def integer_nodes(wiring: Wiring) -> list[NodeProto]:
    """The operations that run on integers."""
    return [node for node in wiring.body if _is_integer(wiring, node)]


def write(wiring: Wiring, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Put pairs on all of the body; `ranges` (least, greatest) are those of `tensors_of(wiring)`."""
    folded = fold_stem(wiring)
    grids = {name: unsigned_grid(*ranges[name]) for name in tensors_of(wiring)}
    last = {key_of(node) for node in wiring.last_convolutions}
    convolutions = wiring.convolutions
    paired = _paired(wiring)
    inputs = {key_of(node): node.input[0] for node in convolutions}
    for name in paired:
        grids[name] = grids[_origin(wiring, name)]
    for name in paired:
        add_pair(wiring, name, grids[name], wiring.consumers[name])
    if folded:
        widen_input(wiring)
    for node in convolutions:
        source = inputs[key_of(node)]
        (_write_last if key_of(node) in last else _write_inner)(wiring, node, source, grids[source])


def _paired(wiring: Wiring) -> list[str]:
    """What integer operations read and make, but for what decode reads."""
    last = {key_of(node) for node in wiring.last_convolutions}
    touched = [name for node in integer_nodes(wiring)
               for name in (*wiring.activations(node), key_of(node))]
    return [name for name in dict.fromkeys(touched) if name not in last and not _cut_by_relu(wiring, name)]


def _cut_by_relu(wiring: Wiring, name: str) -> bool:
    """Is a ReLU its only reader? One pair after that serves both: the grid's lower end does the cutting."""
    readers = wiring.consumers[name]
    return len(readers) == 1 and readers[0].op_type == "Relu"


def _is_integer(wiring: Wiring, node: NodeProto) -> bool:
    constants = [name for name in node.input if name in wiring.initializers]
    return node.op_type in INTEGER_OPS and (node.op_type in ("Conv", *SAME_GRID) or not constants)


def _moved_from(wiring: Wiring, name: str) -> str | None:
    """The tensor whose numbers `name` holds in another arrangement."""
    maker = wiring.producers.get(name)
    return maker.input[0] if maker is not None and maker.op_type in SAME_GRID else None


def _origin(wiring: Wiring, name: str) -> str:
    source = _moved_from(wiring, name)
    return _origin(wiring, source) if source else name


def _write_inner(wiring: Wiring, node: NodeProto, source: str, grid: Grid) -> None:
    """Integer weights and bias behind dequantizers: ONNX Runtime makes it a QLinearConv."""
    scales = _weight_scales(wiring, node, grid)
    dequantized_weights(wiring, node, scales)
    if len(node.input) > 2:
        name = node.input[2]
        steps = np.rint(wiring.array(name).astype(np.float64) / _sum_scales(grid, scales))
        node.input[2] = wiring.add("DequantizeLinear", [
            wiring.set_array(f"{name}_int32", steps.astype(np.int32)),
            wiring.set_array(f"{name}_scale", _sum_scales(grid, scales)),
            wiring.set_array(f"{name}_zero", np.zeros(len(scales), np.int32))], f"{name}_dequantized", axis=0)


def _write_last(wiring: Wiring, node: NodeProto, source: str, grid: Grid) -> None:
    """ConvInteger, then its sums scaled to FP32 and the bias added."""
    scales = _weight_scales(wiring, node, grid)
    weights, out = node.input[1], node.output[0]
    unsigned = (integers(wiring.array(weights), scales) + np.int16(128)).astype(np.uint8)
    whole = wiring.set_array(f"{weights}_uint8", unsigned)
    middle = wiring.set_array(f"{weights}_zero", np.uint8(128))
    bias = wiring.array(node.input[2]) if len(node.input) > 2 else np.zeros(len(scales), np.float32)
    name = f"{out}_sums"
    wiring.add("ConvInteger", [quantized(source), whole, f"{source}_zero", middle], name)
    wiring.graph.node[-1].attribute.extend(node.attribute)
    wiring.graph.node[-1].name = node.name
    floats = wiring.add("Cast", [name], f"{name}_float", to=TensorProto.FLOAT)
    scale = wiring.set_array(f"{out}_scale", _sum_scales(grid, scales).reshape(1, -1, 1, 1))
    scaled = wiring.add("Mul", [floats, scale], f"{name}_scaled")
    wiring.add("Add", [scaled, wiring.set_array(f"{out}_bias", bias.reshape(1, -1, 1, 1))], out)
    wiring.graph.node.remove(node)


def _weight_scales(wiring: Wiring, node: NodeProto, grid: Grid) -> np.ndarray:
    """Scales of the weights, widened where the bias would not fit into 32 bits."""
    scales = channel_scales(wiring.array(node.input[1]))
    if len(node.input) > 2:
        least = np.abs(wiring.array(node.input[2])) / (float(grid.scale) * LARGEST_BIAS)
        scales = np.maximum(scales, least).astype(np.float32)
    return scales


def _sum_scales(grid: Grid, scales: np.ndarray) -> np.ndarray:
    """[out] float32: what one step of the integer sums is worth."""
    return (grid.scale * scales).astype(np.float32)
