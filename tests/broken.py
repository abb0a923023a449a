"""Models that are right in FP32 and broken in INT8."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from minecalib.graph import Wiring, key_of
from onnx import NodeProto


def chains(wiring: Wiring) -> Iterator[tuple[NodeProto, NodeProto]]:
    """Convolutions with nothing but a LeakyReLU between them, which nobody else reads."""
    for first in wiring.convolutions:
        (activation, *others) = wiring.consumers[first.output[0]]
        if not others and activation.op_type == "LeakyRelu":
            (second, *others) = wiring.consumers[activation.output[0]]
            if not others and second.op_type == "Conv":
                yield first, second


def break_channel(source: Path, out: Path, chain: int, factor: float = 1000.0) -> str:
    """Scale the channel between two convolutions that weighs most by `factor`, and undo it in the second one.

    LeakyReLU lets factors through, so FP32 answers as before. Returns the layer that INT8 cannot hold: the
    tensor between.
    """
    model = onnx.load(source)
    wiring = Wiring(model)
    first, second = list(chains(wiring))[chain]
    weights, bias, undone = (wiring.array(name).copy() for name in (*first.input[1:3], second.input[1]))
    channel = int(np.abs(undone).sum(axis=(0, 2, 3)).argmax())
    weights[channel] *= factor
    bias[channel] *= factor
    undone[:, channel] /= factor
    for name, values in zip((*first.input[1:3], second.input[1]), (weights, bias, undone), strict=True):
        wiring.set_array(name, values)
    onnx.save(model, out)
    assert key_of(wiring.producers[second.input[0]]) == second.input[0]
    return str(second.input[0])
