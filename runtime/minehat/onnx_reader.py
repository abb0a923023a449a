"""An ONNX file without the onnx package and without its weights: nodes, tensors' names, types and shapes, metadata.

Devices have no onnx package, and what is asked of a file there (is it the CPU's form? what is inside?) needs none.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; how messages are cut: onnx_metadata.py.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .errors import MineHatError
from .onnx_metadata import fields, key_and_value, varints

DTYPES = {1: "fp32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
          10: "fp16", 11: "fp64", 12: "uint32", 13: "uint64", 16: "bf16", 17: "fp8", 18: "fp8", 19: "fp8", 20: "fp8",
          21: "uint4", 22: "int4", 23: "fp4"}
BITS = {"fp64": 64, "int64": 64, "uint64": 64, "fp32": 32, "int32": 32, "uint32": 32, "fp16": 16, "bf16": 16,
        "int16": 16, "uint16": 16, "int8": 8, "uint8": 8, "fp8": 8, "bool": 8, "int4": 4, "uint4": 4, "fp4": 4}
MOST_VALUES = 64  # of a constant that are kept: shapes, axes, scales of a Resize, not weights
_FORMATS = {"int64": "q", "int32": "i", "fp32": "f"}

Attribute = float | int | str | tuple[int, ...] | tuple[float, ...]
Span = tuple[int, int]


@dataclass(frozen=True)
class Constant:
    """A tensor that the file holds: an initializer, or the value of a Constant node."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: tuple[float, ...]  # of short int64, int32 and fp32 ones; () otherwise
    outside: str  # the file beside this one that holds the values; "" for this one

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return (self.count * BITS.get(self.dtype, 0) + 7) // 8


@dataclass(frozen=True)
class Value:
    """A tensor that is computed or fed: an input, an output, or what the file notes of one between."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]  # a number, or a name for what is open

    @property
    def text(self) -> str:
        """'images fp32 batchx3x416x416'"""
        return f"{self.name} {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}"


@dataclass(frozen=True)
class Node:
    """One operator of the graph."""

    name: str  # its first output's where the file gives none
    op: str
    domain: str  # "" for ONNX's own
    inputs: tuple[str, ...]  # "" for one left out
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]  # numbers, texts and lists of numbers; others are ()


@dataclass(frozen=True)
class OnnxFile:
    """What a file says of its graph; nodes inside branches and loops are not looked into."""

    producer: str
    opsets: Mapping[str, int]  # by domain
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    inputs: tuple[Value, ...]  # that are fed
    outputs: tuple[Value, ...]
    noted: tuple[Value, ...]  # between them, as far as the file tells
    metadata: Mapping[str, str]

    @cached_property
    def makers(self) -> dict[str, Node]:
        """The node that makes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs}


def read_onnx(path: str | Path) -> OnnxFile:
    """Read a file's graph. Raises MineHatError when it is not an ONNX file, cut short, or cannot be read."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Reader(content).model()
    except (ValueError, IndexError, UnicodeDecodeError, struct.error) as exc:
        raise MineHatError(f"{path} is not an ONNX file, or it is cut short.") from exc
    except OSError as exc:
        raise MineHatError(f"{path} cannot be read: {exc.strerror or exc}.") from exc


class _Reader:
    """One method for each message that is looked into; a message is content[start:end]."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content

    def model(self) -> OnnxFile:
        parts = self._parts((0, len(self._content)))
        graphs = parts[7]
        if len(graphs) != 1:
            raise ValueError("no graph, or several")
        graph = self._parts(graphs[0])
        nodes = [self._node(span) for span in graph[1]]
        if not nodes:
            raise ValueError("the graph is empty")
        constants = {constant.name: constant for constant in map(self._constant, graph[5])}
        constants |= {node.outputs[0]: constant for node, constant in nodes if constant is not None}
        inputs = [value for value in map(self._value, graph[11]) if value.name not in constants]
        return OnnxFile(" ".join(filter(None, (self._text(parts[2]), self._text(parts[3])))),
                        dict(map(self._opset, parts[8])), tuple(node for node, _ in nodes), constants, tuple(inputs),
                        tuple(map(self._value, graph[12])), tuple(map(self._value, graph[13])),
                        dict(key_and_value(self._content[a:b]) for a, b in parts[14]))

    def _node(self, span: Span) -> tuple[Node, Constant | None]:
        """The node, and its value where it is a Constant."""
        parts = self._parts(span)
        named = {self._text(self._parts(attribute)[1]): self._parts(attribute) for attribute in parts[5]}
        outputs = tuple(self._texts(parts[2]))
        node = Node(self._text(parts[3]) or (outputs or ("",))[0], self._text(parts[4]), self._text(parts[7]),
                    tuple(self._texts(parts[1])), outputs,
                    {name: self._attribute(attribute) for name, attribute in named.items()})
        value = named["value"][5] if node.op == "Constant" and "value" in named else []
        return node, self._constant(value[0], outputs[0]) if value else None

    def _attribute(self, parts: Mapping[int, list[Span]]) -> Attribute:
        if parts[3]:
            return self._integers(parts[3])[0]
        if parts[2]:
            return self._floats(parts[2])[0]
        if parts[4]:
            return self._content[slice(*parts[4][0])].decode(errors="replace")  # plugins keep bytes there
        return tuple(self._integers(parts[8])) or tuple(self._floats(parts[7]))

    def _constant(self, span: Span, name: str = "") -> Constant:
        parts = self._parts(span)
        shape, dtype = tuple(self._integers(parts[1])), DTYPES.get((self._integers(parts[2]) or [0])[0], "unknown")
        outside = dict(key_and_value(self._content[a:b]) for a, b in parts[13]).get("location", "")
        values = self._values(parts, dtype) if math.prod(shape) <= MOST_VALUES and not outside else ()
        return Constant(name or self._text(parts[8]), dtype, shape, values, outside)

    def _values(self, parts: Mapping[int, list[Span]], dtype: str) -> tuple[float, ...]:
        if dtype not in _FORMATS:
            return ()
        if parts[9]:
            (a, b), letter = parts[9][0], _FORMATS[dtype]
            return struct.unpack(f"<{(b - a) // struct.calcsize(letter)}{letter}", self._content[a:b])
        return tuple(self._floats(parts[4]) if dtype == "fp32" else self._integers(parts[7] or parts[5]))

    def _value(self, span: Span) -> Value:
        parts = self._parts(span)
        tensors = [tensor for kind in parts[2] for tensor in self._parts(kind)[1]]
        if not tensors:
            return Value(self._text(parts[1]), "unknown", ())
        tensor = self._parts(tensors[0])
        sides = [self._parts(side) for shape in tensor[2] for side in self._parts(shape)[1]]
        return Value(self._text(parts[1]), DTYPES.get((self._integers(tensor[1]) or [0])[0], "unknown"),
                     tuple(self._integers(side[1])[0] if side[1] else self._text(side[2]) or "?" for side in sides))

    def _opset(self, span: Span) -> tuple[str, int]:
        parts = self._parts(span)
        return self._text(parts[1]), (self._integers(parts[2]) or [0])[0]

    def _parts(self, span: Span) -> defaultdict[int, list[Span]]:
        """The message's values by field number."""
        parts: defaultdict[int, list[Span]] = defaultdict(list)
        for number, a, b in fields(self._content, *span):
            parts[number].append((a, b))
        return parts

    def _texts(self, spans: list[Span]) -> list[str]:
        return [self._content[a:b].decode() for a, b in spans]

    def _text(self, spans: list[Span]) -> str:
        return self._content[slice(*spans[-1])].decode() if spans else ""

    def _integers(self, spans: list[Span]) -> list[int]:
        return [number for a, b in spans for number in varints(self._content, a, b)]

    def _floats(self, spans: list[Span]) -> list[float]:
        return [number for a, b in spans for (number,) in struct.iter_unpack("<f", self._content[a:b])]
