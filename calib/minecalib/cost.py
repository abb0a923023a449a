"""What layers cost, estimated from their arithmetic: a multiplication in FP16 as two in INT8, one in FP32 as four."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from onnx import shape_inference

from .graph import Wiring, key_of
from .placement import Layer

RATES = {"int8": 4.0, "int8+fp16": 2.0}  # precision of the file -> what a lifted layer costs, INT8 being 1


def multiplications(wiring: Wiring) -> dict[str, int]:
    """By convolution (its first output): multiply-adds a picture."""
    graph = shape_inference.infer_shapes(wiring.model).graph
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
              for value in (*graph.value_info, *graph.output)}
    return {key_of(node): int(np.prod(shapes[key_of(node)][1:])) * int(np.prod(wiring.array(node.input[1]).shape[1:]))
            for node in wiring.convolutions}


def relative_cost(counts: dict[str, int], layers: Sequence[Layer], lifted: Collection[str], precision: str) -> float:
    """Arithmetic with the named layers lifted, against all in INT8."""
    raised = {name for layer in layers if layer.tensor in lifted for name in layer.convolutions}
    extra = sum(count for name, count in counts.items() if name in raised) * (RATES[precision] - 1)
    return 1 + extra / sum(counts.values())
