"""How the convolutions of an ONNX file are to run: in integers where Q/DQ stands on both sides, else as typed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ..onnx_reader import Node, OnnxFile
from .behind import UNKNOWN, before_pair, constant_behind, rounded_to, type_of
from .sizes import Size, map_sizes

_FLOAT, _INTEGER = ("Conv", "FusedConv"), ("QLinearConv", "ConvInteger")


@dataclass(frozen=True)
class FileConvolution:
    """One convolution of an ONNX file."""

    name: str
    output: str  # the tensor that it writes
    runs_in: str  # data type of its input: "fp32", "fp16", "int8"; "uint8" in the CPU's form
    weights: tuple[int, ...]  # outputs, inputs a group, height, width; () where they are no constant
    macs: int | None  # multiply-adds a picture; None where the size of its map is not known
    reads: str  # the tensor that it convolves, before Q/DQ


def convolutions_of(file: OnnxFile, input_size: Size | None) -> list[FileConvolution]:
    """All of them in the graph's order; `input_size` is height and width, None where they are open."""
    sizes = map_sizes(file, input_size) if input_size else {}
    return [_convolution(node, file, sizes.get(node.outputs[0]))
            for node in file.nodes if node.op in _FLOAT + _INTEGER]


def total_macs(convolutions: Iterable[FileConvolution]) -> dict[str, int]:
    """Multiply-adds a picture by the data type that they run in, where they are known."""
    total: dict[str, int] = {}
    for conv in convolutions:
        total[conv.runs_in] = total.get(conv.runs_in, 0) + (conv.macs or 0)
    return total


def _convolution(node: Node, file: OnnxFile, size: Size | None) -> FileConvolution:
    row = 3 if node.op == "QLinearConv" else 1
    weights = constant_behind(node.inputs[row], file)
    shape = weights.shape if weights else ()
    macs = math.prod(shape) * math.prod(size) if shape and size else None
    return FileConvolution(node.name, node.outputs[0], _runs_in(node, file, row), shape, macs,
                           before_pair(node.inputs[0], file))


def _runs_in(node: Node, file: OnnxFile, row: int) -> str:
    read, weights = node.inputs[0], node.inputs[row]
    if node.op in _INTEGER:
        known = type_of(read, file)
        return known if known != UNKNOWN else type_of(weights, file)
    rounded = rounded_to(read, file)
    if rounded is not None and rounded_to(weights, file) is not None:
        return rounded
    return type_of(weights, file)
