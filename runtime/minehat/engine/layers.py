"""What the builder made of each layer, read back from the table in its detailed log.

The table is the one description of an engine that a machine without a GPU gets. TensorRT prints a layer
a line: Name, LayerType, Inputs, Constants, Outputs, Metadata; datatypes as "Datatype: Int8" (TensorRT-RTX)
or "Format/Datatype: Channel major FP16 format" (TensorRT).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LAYER = re.compile(r"^Name: (?P<name>.*?), LayerType: (?P<kind>[^,]*), Inputs: \[(?P<inputs>.*?)"
                    r"(?:, Constants: \[.*?)?, Outputs: \[(?P<outputs>.*?)(?:\}\]|(?<=\[)\]), (?P<rest>.*)$")
_DATATYPE = re.compile(r"Datatype: [^}]*?\b(Int8|INT8|Half|FP16|Float|FP32|BFloat16|BF16|FP8|"
                       r"Int32|INT32|Int64|INT64|Bool|BOOL|UInt8|UINT8)\b")
_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_SHORT = {"half": "fp16", "float": "fp32", "bfloat16": "bf16"}
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Layer:
    """One kernel of the engine."""

    name: str
    kind: str  # the library's word: correlation, CaskConvolution, kgen, ...
    inputs: tuple[str, ...]  # data types, weights not counted
    outputs: tuple[str, ...]
    origins: tuple[str, ...]  # ONNX nodes that it computes, as far as the log says

    @property
    def convolves(self) -> bool:
        """Whether it multiplies by a convolution's weights (alone or fused with what follows)."""
        if "onvolution" in self.kind or self.kind == "correlation":
            return True
        return self.name.startswith("__myl") and re.search(r"Corr|Conv", self.name) is not None

    @property
    def precision(self) -> str:
        """Data types on both sides: "int8->fp32"."""
        return f"{_joined(self.inputs)}->{_joined(self.outputs)}"


@dataclass(frozen=True)
class Convolution:
    """How one convolution of the ONNX file runs in the engine."""

    name: str  # of the ONNX node
    runs_in: str  # data type that it multiplies: "int8", "fp16", "fp32", "unknown"
    precision: str  # "int8->fp32"


def layers_from_table(table: str) -> list[Layer]:
    """The layers of an engine table ("Layers:" and a line for each); lines of another kind are passed over."""
    found = (_LAYER.match(line) for line in table.splitlines())
    return [Layer(match["name"], match["kind"], _datatypes(match["inputs"]), _datatypes(match["outputs"]),
                  tuple(_ORIGIN.findall(match["rest"])))
            for match in found if match]


def convolutions_in(layers: Sequence[Layer], names: Iterable[str]) -> list[Convolution]:
    """How the convolutions with these ONNX names run; "unknown" for one that the table does not show."""
    return [_convolution(name, [layer for layer in layers if layer.convolves and _computes(layer, name)])
            for name in names]


def counted(precisions: Iterable[str]) -> dict[str, int]:
    """How many of each, the most frequent first."""
    return dict(Counter(precisions).most_common())


def _convolution(name: str, layers: Sequence[Layer]) -> Convolution:
    if not layers or not layers[0].inputs:
        return Convolution(name, UNKNOWN, UNKNOWN)
    return Convolution(name, layers[0].inputs[0], layers[0].precision)


def _computes(layer: Layer, name: str) -> bool:
    if layer.origins:
        return name in layer.origins
    return name in re.split(r" \+ | \|\| ", layer.name)


def _datatypes(tensors: str) -> tuple[str, ...]:
    return tuple(_SHORT.get(word.lower(), word.lower()) for word in _DATATYPE.findall(tensors))


def _joined(datatypes: tuple[str, ...]) -> str:
    return "+".join(dict.fromkeys(datatypes)) or "-"
