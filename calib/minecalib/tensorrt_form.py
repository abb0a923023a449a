"""INT8 as TensorRT fuses it: symmetric, pairs at convolution inputs and residual skips, decode untouched.

Scales are rounded to FP16 beforehand, so that the FP16 pass may follow without moving a single weight.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import NodeProto

from .graph import Wiring, key_of
from .qdq import add_pair, channel_scales, dequantized_weights, half_scales, signed_grid


def tensors_of(wiring: Wiring) -> list[str]:
    """The tensors that get a pair: every convolution's input, and the skip of every residual addition."""
    wanted = [node.input[0] for node in wiring.convolutions]
    wanted += [skip for node in wiring.body if (skip := _skip(wiring, node))]
    return list(dict.fromkeys(wanted))


def integer_nodes(wiring: Wiring) -> list[NodeProto]:
    """Convolutions, and the residual additions that their kernels take in."""
    return [node for node in wiring.body if node.op_type == "Conv" or _skip(wiring, node)]


def write(wiring: Wiring, magnitudes: Mapping[str, float]) -> None:
    """Put pairs on `tensors_of(wiring)`, whose greatest magnitudes are given, and make weights INT8."""
    tensors = tensors_of(wiring)
    skips = {key_of(node): _skip(wiring, node) for node in wiring.body}
    for tensor in tensors:
        readers = [node for node in wiring.consumers[tensor]
                   if (node.op_type == "Conv" and node.input[0] == tensor) or skips.get(key_of(node)) == tensor]
        add_pair(wiring, tensor, signed_grid(magnitudes[tensor]), readers)
    for convolution in wiring.convolutions:
        dequantized_weights(wiring, convolution, half_scales(channel_scales(wiring.array(convolution.input[1]))))


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
