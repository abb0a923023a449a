"""INT8 as ONNX Runtime's CPU kernels want it: unsigned activations, signed weights, a pair after every operation.

Pairs stand after convolutions and after LeakyReLU too: ONNX Runtime makes a convolution integer only
where its input, weights, bias and output all are. The last convolutions feed decode, which wants more than eight
bits of them; they are written as ConvInteger, whose 32-bit sums go to FP32 as they are, and so are those before a
layer that was lifted.

The first two convolutions are rearranged beforehand (see `stem`), and the last ones' weights are
stored unsigned with zero 128, for which ConvInteger's kernel is ten times faster.

Weights use all of -127..127, which wants VNNI (or ARM's dot product): on older x86 CPUs 16-bit sums of two products
saturate (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from onnx import NodeProto, TensorProto

from ..graph import Wiring, key_of
from ..placement import Layer, Pair, Placement, lifted_tensors
from .qdq import Grid, add_pair, channel_scales, dequantized_weights, integers, quantized, shift_bias, unsigned_grid
from .stem import fold_stem, widen_input

SAME_GRID = frozenset({"Resize", "MaxPool", "ReduceMax"})  # they only choose numbers: out as they came in
INTEGER_OPS = SAME_GRID | {"Conv", "LeakyRelu", "Relu", "Add", "Mul", "Sigmoid", "Concat"}
ONE_LAYER = SAME_GRID | {"LeakyRelu", "Relu", "Concat"}  # what comes in and what goes out is rounded together or not
LARGEST_BIAS = 2.0**30  # in steps; leaves half of INT32 to the sums
LEFT_IN_FLOAT = {
    "ReduceMean": "ONNX Runtime has no integer kernel for it",
    "GlobalAveragePool": "between float neighbours nothing is gained",
}


def layers(wiring: Wiring, attention: bool = True) -> list[Layer]:
    """What can be lifted: a tensor with those that activations, joins and moves make it of. Attention always is."""
    readers = {tensor: wiring.consumers[tensor] for tensor in _paired(wiring)}
    heads = {tensor: _head(wiring, tensor, set(readers)) for tensor in readers}
    return [Layer(head, tuple(name for name in readers if heads[name] == head),
                  tuple(key_of(node) for name in readers if heads[name] == head for node in readers[name]
                        if node.op_type == "Conv"))
            for head in dict.fromkeys(heads.values())]


def plan(wiring: Wiring, ranges: Mapping[str, tuple[float, float]], lifted: Collection[str] = (),
         attention: bool = True) -> Placement:
    """Pairs on all that integer operations read and make, but for the lifted layers' tensors."""
    left_out = lifted_tensors(layers(wiring), lifted)
    pairs = []
    for tensor in _paired(wiring):
        if tensor not in left_out:
            origin = _origin(wiring, tensor)
            grid = unsigned_grid(*ranges[origin if origin in ranges else tensor])
            low, high = ((end - float(grid.zero)) * float(grid.scale) for end in (0, 255))
            pairs.append(Pair(tensor, low, high, tuple(map(key_of, wiring.consumers[tensor]))))
    return Placement("cpu", tuple(pairs), tuple(lifted))


def write(wiring: Wiring, placement: Placement, means: Mapping[str, np.ndarray]) -> None:
    """Put the pairs into the graph, and make the convolutions that read rounded tensors integer.

    means: [channels] of convolutions' inputs; the biases of those that are there make up for the rounded weights.
    """
    grids = {pair.tensor: unsigned_grid(pair.low, pair.high) for pair in placement.pairs}
    for node in wiring.convolutions:
        if (source := node.input[0]) in grids and source in means:
            shift_bias(wiring, node, _weight_scales(wiring, node, grids[source]), means[source])
    folded = fold_stem(wiring, grids)
    convolutions = [(node, node.input[0]) for node in wiring.convolutions if node.input[0] in grids]
    inner = {key_of(node) for node, _ in convolutions if _is_rounded(wiring, key_of(node), grids)}
    for pair in placement.pairs:
        add_pair(wiring, pair.tensor, grids[pair.tensor], wiring.consumers[pair.tensor])
    if folded:
        widen_input(wiring)
    for node, source in convolutions:
        (_write_inner if key_of(node) in inner else _write_last)(wiring, node, source, grids[source])


def integer_nodes(wiring: Wiring, placement: Placement) -> list[NodeProto]:
    """The operations that run on integers."""
    rounded = placement.tensors
    return [node for node in wiring.body if _is_integer(wiring, node) and rounded.issuperset(wiring.activations(node))
            and (node.op_type == "Conv" or _is_rounded(wiring, key_of(node), rounded))]


def _head(wiring: Wiring, tensor: str, paired: Collection[str]) -> str:
    """The layer that a tensor belongs to: its own, or that of the operation it is only a step to."""
    readers = wiring.consumers[tensor]
    if len(readers) == 1 and readers[0].op_type in ONE_LAYER and key_of(readers[0]) in paired:
        return _head(wiring, key_of(readers[0]), paired)
    return tensor


def _is_rounded(wiring: Wiring, tensor: str, rounded: Collection[str]) -> bool:
    """Does a pair follow, at once or after the ReLU that alone reads it?"""
    return tensor in rounded or (_cut_by_relu(wiring, tensor) and key_of(wiring.consumers[tensor][0]) in rounded)


def _paired(wiring: Wiring) -> list[str]:
    """What integer operations read and make, but for what decode reads."""
    last = {key_of(node) for node in wiring.last_convolutions}
    touched = [name for node in wiring.body if _is_integer(wiring, node)
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
