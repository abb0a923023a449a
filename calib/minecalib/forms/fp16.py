"""The FP16 pass: everything but decode in half precision, inputs and outputs float32 as before.

It works on plain graphs and on those with quantize/dequantize pairs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from minehat.errors import MineHatError
from onnx import NodeProto, TensorProto

from ..graph import Wiring, key_of
from ..ranges import Histogram

GREATEST = float(np.finfo(np.float16).max)
FLOAT_INPUTS = {"Resize": (1, 2)}  # input rows that ONNX wants in float32 whatever the data are


def to_fp16(wiring: Wiring) -> int:
    """Turn the body into FP16 in place; returns the number of casts written.

    Casts stand where float32 tensors enter the body and where half ones leave it. Raises
    MineHatError for a weight that FP16 cannot hold.
    """
    floats = wiring.float_tensors()
    body = {key_of(node) for node in wiring.body}
    halves = {name for node in wiring.body for name in node.output if name in floats}
    casts: dict[tuple[str, int], str] = {}
    for node in list(wiring.graph.node):
        for row, name in enumerate(node.input):
            inside = key_of(node) in body and row not in FLOAT_INPUTS.get(node.op_type, ())
            if name in floats and inside != (name in halves):
                node.input[row] = _other_type(wiring, name, inside, casts)
        if key_of(node) in body and node.op_type == "Cast":
            _retarget(node)
    wiring.finish()
    return len(casts)


def check_halves(histograms: Mapping[str, Histogram]) -> tuple[str, float]:
    """The activation that came nearest to FP16's end, and its magnitude. Raises MineHatError where one went beyond."""
    name, found = max(histograms.items(), key=lambda item: max(-item[1].low, item[1].high))
    greatest = max(-found.low, found.high)
    if greatest > GREATEST:
        raise MineHatError(f"tensor {name} reaches {greatest:g} on the calibration pictures, FP16 ends at "
                           f"{GREATEST:g}. Take `--precision int8`, with FP32 around its pairs, or train with weight "
                           "decay.")
    return name, greatest


def _other_type(wiring: Wiring, name: str, half: bool, casts: dict[tuple[str, int], str]) -> str:
    """The same tensor in FP16 (or, for readers in decode, in float32)."""
    if name in wiring.initializers:
        return _half_initializer(wiring, name)
    target = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    if (name, target) not in casts:
        casts[name, target] = wiring.add("Cast", [name], f"{name}_{'half' if half else 'float'}", to=target)
    return casts[name, target]


def _half_initializer(wiring: Wiring, name: str) -> str:
    if f"{name}_half" not in wiring.initializers:
        values = wiring.array(name)
        greatest = float(np.abs(values).max(initial=0.0))
        if not greatest <= GREATEST:
            raise MineHatError(f"weight {name} reaches {greatest:g}, FP16 ends at {GREATEST:g}. Train with "
                               "weight decay, or keep this model in FP32.")
        wiring.set_array(f"{name}_half", values.astype(np.float16))
    return f"{name}_half"


def _retarget(cast: NodeProto) -> None:
    for attribute in cast.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
