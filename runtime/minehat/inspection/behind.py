"""What stands behind a tensor of an ONNX graph: a constant, a data type, a Q/DQ pair."""

from __future__ import annotations

from ..onnx_reader import DTYPES, Constant, OnnxFile

_SEEN_THROUGH = ("Cast", "QuantizeLinear", "DequantizeLinear", "Identity")
_MOVING = ("Concat", "Flatten", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
UNKNOWN = "unknown"


def constant_behind(name: str, file: OnnxFile) -> Constant | None:
    """The constant that a tensor is, or is made of by casts and Q/DQ alone."""
    while name not in file.constants:
        node = file.makers.get(name)
        if node is None or node.op not in _SEEN_THROUGH:
            return None
        name = node.inputs[0]
    return file.constants[name]


def type_of(name: str, file: OnnxFile) -> str:
    """A tensor's data type, as far as constants, casts and Q/DQ settle it: "fp16"; "unknown" otherwise."""
    if name in file.constants:
        return file.constants[name].dtype
    node = file.makers.get(name)
    if node is None:
        return next((value.dtype for value in file.inputs if value.name == name), UNKNOWN)
    if node.op == "Cast":
        to = node.attributes.get("to")
        return DTYPES.get(to, UNKNOWN) if isinstance(to, int) else UNKNOWN
    if node.op == "DequantizeLinear":
        return type_of(node.inputs[1], file)
    if node.op == "QuantizeLinear":
        to = node.attributes.get("output_dtype", 2)
        return type_of(node.inputs[2], file) if len(node.inputs) > 2 else DTYPES.get(int(str(to)), UNKNOWN)
    return type_of(node.inputs[0], file) if node.op in _MOVING else UNKNOWN


def rounded_to(name: str, file: OnnxFile) -> str | None:
    """The integer type that a tensor comes out of by DequantizeLinear (and casts after it); None where it does not."""
    node = file.makers.get(name)
    while node is not None and node.op == "Cast":
        node = file.makers.get(node.inputs[0])
    if node is None or node.op != "DequantizeLinear":
        return None
    return type_of(node.inputs[0], file)
