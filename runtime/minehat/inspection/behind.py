"""What stands behind a tensor of an ONNX graph: a constant, a data type, a Q/DQ pair."""

from __future__ import annotations

from collections.abc import Iterator

from ..onnx_reader import DTYPES, Constant, Node, OnnxFile

UNKNOWN = "unknown"
_PAIR = ("QuantizeLinear", "DequantizeLinear")
_MOVING = ("Concat", "Flatten", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")


def constant_behind(name: str, file: OnnxFile) -> Constant | None:
    """The constant that a tensor is, or is made of by casts and Q/DQ alone."""
    for tensor, node in _upwards(name, file):
        if tensor in file.constants:
            return file.constants[tensor]
        if node is None or node.op not in ("Cast", "Identity", *_PAIR):
            break
    return None


def type_of(name: str, file: OnnxFile) -> str:
    """A tensor's data type, as far as constants, casts and Q/DQ settle it: "fp16"; "unknown" otherwise."""
    for tensor, node in _upwards(name, file):
        if tensor in file.constants:
            return file.constants[tensor].dtype
        if node is None:
            return next((value.dtype for value in file.inputs if value.name == tensor), UNKNOWN)
        if node.op == "Cast":
            return _named(node.attributes.get("to"))
        if node.op in _PAIR:
            return _pair_type(node, file)
        if node.op not in _MOVING:
            break
    return UNKNOWN


def rounded_to(name: str, file: OnnxFile) -> str | None:
    """The integer type that a tensor comes out of by DequantizeLinear (and casts after it); None where it does not."""
    for _, node in _upwards(name, file):
        if node is None or node.op != "Cast":
            return type_of(node.inputs[0], file) if node is not None and node.op == "DequantizeLinear" else None
    return None


def before_pair(name: str, file: OnnxFile) -> str:
    """The tensor that casts and Q/DQ made this one of; itself where there are none."""
    for tensor, node in _upwards(name, file):
        name = tensor
        if node is None or node.op not in ("Cast", *_PAIR):
            break
    return name


def _upwards(name: str, file: OnnxFile) -> Iterator[tuple[str, Node | None]]:
    """A tensor and the node that makes it, then that node's first input, and so on; no tensor twice."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        node = file.makers.get(name)
        yield name, node
        if node is None or not node.inputs:
            return
        name = node.inputs[0]


def _pair_type(node: Node, file: OnnxFile) -> str:
    """Of what QuantizeLinear or DequantizeLinear gives: its zero point's type, or its scale's."""
    row = 2 if node.op == "QuantizeLinear" else 1
    if len(node.inputs) > row:
        constant = file.constants.get(node.inputs[row])
        return constant.dtype if constant else UNKNOWN
    return _named(node.attributes.get("output_dtype", 2))  # without a zero point: uint8


def _named(number: object) -> str:
    return DTYPES.get(number, UNKNOWN) if isinstance(number, int) else UNKNOWN
