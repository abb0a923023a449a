"""Which number types an ONNX file bears, read without the onnx package and without its weights.

TensorRT wants symmetric INT8. The CPU's form has uint8 activations; TensorRT would refuse them with a
riddle, or, where the zero points happen to be 0, quietly read them as int8. And float64 it quietly makes float32.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import MineHatError
from ..onnx_metadata import fields

_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER = 7, 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OP, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NUMBER, _ATTRIBUTE_TENSOR = 3, 5
_TENSOR_TYPE, _TENSOR_NAME = 2, 8
_UINT8, _FLOAT64 = 2, 11


@dataclass(frozen=True)
class _Node:
    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: int
    makes64: bool  # it is a cast to float64, or a constant of it


def check_form(path: Path) -> None:
    """Raise MineHatError, naming the node, where the file has uint8 or float64 in it, or is not whole."""
    nodes, types = _read(path)
    unsigned = {name for name, kind in types.items() if kind == _UINT8}
    doubles = {name for name, kind in types.items() if kind == _FLOAT64}
    for node in nodes:
        if node.makes64 or doubles.intersection(node.inputs):
            raise MineHatError(f"{path}: node {node.name!r} ({node.op}) computes in float64, which TensorRT would "
                               "quietly make float32. Export the model in float32.")
        if node.op not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        # Without a zero point QuantizeLinear means uint8, unless (opset 21) an attribute says otherwise.
        implied = node.op == "QuantizeLinear" and len(node.inputs) < 3 and not node.attributes
        if implied or unsigned.intersection(node.inputs):
            raise MineHatError(f"{path}: node {node.name!r} quantizes to uint8; this is the CPU form. "
                               f"Build from {symmetric_name(path)}")


def symmetric_name(path: Path) -> str:
    """The name that the TensorRT form of a CPU form file bears: helmet.int8-cpu.onnx -> helmet.int8.onnx"""
    named = path.name.replace("int8-cpu", "int8")
    return f"{named}." if named != path.name else "the symmetric form: `python calib/quantize.py --form tensorrt`."


def _read(path: Path) -> tuple[list[_Node], dict[str, int]]:
    """The graph's nodes, and the types of its initializers by name."""
    nodes: list[_Node] = []
    types: dict[str, int] = {}
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for number, start, end in _graph_fields(content):
                if number == _GRAPH_NODE:
                    nodes.append(_node(content, start, end))
                elif number == _GRAPH_INITIALIZER:
                    name, kind = _name_and_type(content, start, end)
                    types[name] = kind
    except (ValueError, IndexError, UnicodeDecodeError) as exc:
        raise MineHatError(f"{path} is not an ONNX file, or it is cut short.") from exc
    except OSError as exc:
        raise MineHatError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    if not nodes:
        raise MineHatError(f"{path} is not an ONNX file, or its graph is empty.")
    return nodes, types


def _graph_fields(content: mmap.mmap) -> Iterator[tuple[int, int, int]]:
    for number, start, end in fields(content):
        if number == _MODEL_GRAPH:
            yield from fields(content, start, end)


def _node(content: mmap.mmap, start: int, end: int) -> _Node:
    inputs: list[str] = []
    named = {_NODE_NAME: "", _NODE_OP: "", _NODE_OUTPUT: ""}
    attributes, makes64 = 0, False
    for number, a, b in fields(content, start, end):
        if number == _NODE_INPUT:
            inputs.append(content[a:b].decode())
        elif number in named:
            named[number] = content[a:b].decode()
        elif number == _NODE_ATTRIBUTE:
            attributes += 1
            makes64 = makes64 or _is_float64(content, a, b)
    op = named[_NODE_OP]
    return _Node(named[_NODE_NAME] or named[_NODE_OUTPUT], op, tuple(inputs), attributes,
                 makes64 and op in ("Cast", "Constant"))


def _is_float64(content: mmap.mmap, start: int, end: int) -> bool:
    """Whether an attribute is the number that stands for float64, or a tensor of it."""
    for number, a, b in fields(content, start, end):
        if number == _ATTRIBUTE_NUMBER and content[a:b] == bytes([_FLOAT64]):
            return True
        if number == _ATTRIBUTE_TENSOR and _name_and_type(content, a, b)[1] == _FLOAT64:
            return True
    return False


def _name_and_type(content: mmap.mmap, start: int, end: int) -> tuple[str, int]:
    found = {number: content[a:b] for number, a, b in fields(content, start, end)
             if number in (_TENSOR_TYPE, _TENSOR_NAME)}
    return found.get(_TENSOR_NAME, b"").decode(), found.get(_TENSOR_TYPE, b"\0")[0]
