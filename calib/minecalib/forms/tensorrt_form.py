"""INT8 as TensorRT fuses it: symmetric, pairs at convolution inputs and residual skips, decode untouched.

Where a convolution reads joined maps, each of them has a pair with the joined one's grid, so that their makers can
write INT8 straight into the join; rounding twice to one grid changes nothing. Scales are rounded to FP16
beforehand, so that the FP16 pass may follow without moving a single weight.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy.typing as npt
from onnx import NodeProto

from ..graph import Wiring, key_of
from ..placement import Layer, Pair, Placement, lifted_tensors
from .qdq import add_pair, channel_scales, dequantized_weights, half_scales, shift_bias, signed_grid

LEFT_IN_FLOAT = {
    "LeakyRelu": "TensorRT computes it inside the convolution before it",
    "Relu": "TensorRT computes it inside the convolution before it",
    "Mul": "attention: little arithmetic; `--attention` rounds its inputs too",
    "Add": "no convolution of its own to be computed in",
}


def layers(wiring: Wiring, attention: bool = False) -> list[Layer]:
    """What can be lifted: each tensor with a pair of its own. attention: its products' inputs are such, too."""
    return [Layer(tensor, (tensor,), tuple(key_of(node) for node in readers if node.op_type == "Conv"))
            for tensor, readers in _rounded(wiring, attention).items()]


def plan(wiring: Wiring, ranges: Mapping[str, tuple[float, float]], lifted: Collection[str] = (),
         attention: bool = False) -> Placement:
    """Pairs on all layers but the lifted; of each tensor's range (least, greatest) the larger side counts."""
    left_out = lifted_tensors(layers(wiring, attention), lifted)
    pairs: list[Pair] = []
    for tensor, readers in _rounded(wiring, attention).items():
        if tensor not in left_out:
            end = 127 * float(signed_grid(max(-ranges[tensor][0], ranges[tensor][1])).scale)
            pairs.append(Pair(tensor, -end, end, tuple(map(key_of, readers))))
            pairs += [Pair(name, -end, end, (tensor,)) for name in _joined(wiring, tensor)]
    return Placement("tensorrt", tuple(pairs), tuple(lifted))


def write(wiring: Wiring, placement: Placement, means: Mapping[str, npt.NDArray[Any]]) -> None:
    """Put the pairs into the graph, and make the weights of convolutions that read rounded tensors INT8.

    means: [channels] of convolutions' inputs; the biases of those that are there make up for the rounded weights.
    """
    whole = {key_of(node) for node in integer_nodes(wiring, placement)}
    convolutions = [(node, weight_scales(wiring.array(node.input[1]))) for node in wiring.convolutions
                    if key_of(node) in whole]
    for convolution, scales in convolutions:
        if convolution.input[0] in means:
            shift_bias(wiring, convolution, scales, means[convolution.input[0]])
    for pair in placement.pairs:
        add_pair(wiring, pair.tensor, signed_grid(pair.high), [wiring.producers[name] for name in pair.readers])
    for convolution, scales in convolutions:
        dequantized_weights(wiring, convolution, scales)


def weight_scales(weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """float32 [out, in, kh, kw] -> [out] float32 that FP16 holds exactly."""
    return half_scales(channel_scales(weights))


def integer_nodes(wiring: Wiring, placement: Placement) -> list[NodeProto]:
    """The nodes that read rounded tensors: convolutions, the residual additions in their kernels, joins."""
    whole = {reader for pair in placement.pairs for reader in pair.readers}
    return [node for node in wiring.body if key_of(node) in whole]


def _rounded(wiring: Wiring, attention: bool) -> dict[str, list[NodeProto]]:
    """Tensors with pairs of their own -> who reads them rounded."""
    skips = {key_of(node): [skip] for node in wiring.body if (skip := _skip(wiring, node))}
    products = {key_of(node): wiring.activations(node) for node in wiring.body
                if attention and node.op_type == "Mul" and len(wiring.activations(node)) == 2}
    found: dict[str, list[NodeProto]] = {}
    for node in wiring.body:
        inputs = [node.input[0]] if node.op_type == "Conv" else (skips | products).get(key_of(node), [])
        for name in inputs:
            found.setdefault(name, []).append(node)
    return found


def _joined(wiring: Wiring, tensor: str) -> list[str]:
    """The maps of which `tensor` is the join; none where it is none."""
    maker = wiring.producers.get(tensor)
    return list(dict.fromkeys(maker.input)) if maker is not None and maker.op_type == "Concat" else []


def _skip(wiring: Wiring, node: NodeProto) -> str | None:
    """Of an addition to a convolution branch that nothing else reads: its other input.

    TensorRT takes such an addition into the convolution's kernel when the skip comes in INT8.
    """
    if node.op_type != "Add" or len(wiring.activations(node)) != 2:
        return None
    branches = [name for name in node.input if _is_branch(wiring, name)]
    others = [name for name in node.input if name not in branches]
    return others[0] if len(branches) == 1 else None


def _is_branch(wiring: Wiring, name: str) -> bool:
    """Does `name` come straight from a convolution (and its activation), for one reader alone?"""
    maker = wiring.producers.get(name)
    if maker is None or len(wiring.consumers[name]) != 1:
        return False
    return maker.op_type == "Conv" or (maker.op_type in ("LeakyRelu", "Relu") and _is_branch(wiring, maker.input[0]))
