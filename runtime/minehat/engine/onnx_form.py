"""Which number types an ONNX file bears, told before a library's parser meets it.

TensorRT wants symmetric INT8. The CPU's form has uint8 activations; TensorRT would refuse them with a
riddle, or, where the zero points happen to be 0, quietly read them as int8. And float64 it quietly makes float32.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import MineHatError
from ..onnx_reader import Node, OnnxFile, read_onnx

_FLOAT64 = 11  # that a Cast names
_JOIN = "import onnx; onnx.save(onnx.load('{}'), 'whole.onnx')"


def check_form(path: Path) -> None:
    """Raise MineHatError where the file has uint8 or float64 in it, naming the node, or is not whole."""
    found = read_onnx(path)
    for constant in found.constants.values():
        if constant.outside:
            raise MineHatError(f"{path} keeps weights in another file, {constant.outside}; nothing shows whether it is "
                               f"the right one. Make one file of both: `python -c \"{_JOIN.format(path)}\"`")
    for node in found.nodes:
        if _computes_in_float64(node, found):
            raise MineHatError(f"{path}: node {node.name!r} ({node.op}) computes in float64, which TensorRT would "
                               "quietly make float32. Export the model in float32.")
        if _quantizes_to_uint8(node, found):
            raise MineHatError(f"{path}: node {node.name!r} quantizes to uint8; this is the CPU form. "
                               f"Build from {symmetric_name(path)}")


def symmetric_name(path: Path) -> str:
    """The name that the TensorRT form of a CPU form file bears: helmet.int8-cpu.onnx -> helmet.int8.onnx"""
    named = path.name.replace("int8-cpu", "int8")
    return f"{named}." if named != path.name else "the symmetric form: `python calib/quantize.py --form tensorrt`."


def _computes_in_float64(node: Node, found: OnnxFile) -> bool:
    return (node.op == "Cast" and node.attributes.get("to") == _FLOAT64) or "fp64" in _types(node, found)


def _quantizes_to_uint8(node: Node, found: OnnxFile) -> bool:
    """Without a zero point QuantizeLinear means uint8, unless (opset 21) an attribute says otherwise."""
    if node.op not in ("QuantizeLinear", "DequantizeLinear"):
        return False
    implied = node.op == "QuantizeLinear" and len(node.inputs) < 3 and not node.attributes
    return implied or "uint8" in _types(node, found)


def _types(node: Node, found: OnnxFile) -> set[str]:
    """Of the constants that it reads."""
    return {found.constants[name].dtype for name in node.inputs if name in found.constants}
