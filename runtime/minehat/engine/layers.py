"""What the builder made of each layer, read back from the table in its detailed log.

The table is the one description of an engine that a machine without a GPU gets. TensorRT prints a layer
a line: Name, LayerType, Inputs, Constants, Outputs, Metadata; datatypes as "Datatype: Int8" (TensorRT-RTX and
TensorRT 11) or "Format/Datatype: Channel major FP16 format" (TensorRT 10).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .tensors import Tensor, data_type, layout, tensor_from_text

_LAYER = re.compile(r"^Name: (?P<name>.*?), LayerType: (?P<kind>[^,]*), Inputs: \[(?P<inputs>.*?)"
                    r"(?:, Constants: \[(?P<constants>.*?))?, Outputs: \[(?P<outputs>.*?)(?:\}\]|(?<=\[)\]), "
                    r"(?P<rest>.*)$")
_TENSOR = re.compile(r"\{ Name: (?P<name>.*?), (?:Location: \w+, )?Dimensions: \[(?P<sides>[^\]]*)\],"
                     r"(?P<told>[^}]*?)(?=\}|$)")
_TYPE = re.compile(r"Datatype: ([^,}]*)", re.IGNORECASE)
_FORMAT = re.compile(r"Format(?:/Datatype)?: ([^}]*)", re.IGNORECASE)
_WEIGHTS = re.compile(r'\b(?:Weights|Bias): \{"?Type"?: "?(\w+)"?, "?Count"?: (\d+)\}')
_TACTIC = re.compile(r"\bTacticName: ([^,]*)")
_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
MADE_UP = "__my"  # begins what TensorRT's compiler, Myelin, named; its numbers differ from build to build
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Layer:
    """One kernel of the engine. All fields are plain, so that a card keeps it as one line of JSON."""

    name: str
    kind: str  # the library's word: correlation, CaskConvolution, kgen, ...
    inputs: tuple[str, ...]  # `Tensor.text` of each; weights not among them
    outputs: tuple[str, ...]
    origins: tuple[str, ...]  # ONNX nodes that it computes, as far as the log says
    weights: Mapping[str, int] = field(default_factory=dict)  # bytes by data type; shared ones at their first reader
    tactic: str = ""  # the kernel that was chosen, where the library tells a name that says something

    def __post_init__(self) -> None:
        """Raise ValueError for tensors that cannot be read."""
        for text in (*self.inputs, *self.outputs):
            tensor_from_text(text)

    @property
    def reads(self) -> tuple[Tensor, ...]:
        return tuple(map(tensor_from_text, self.inputs))

    @property
    def writes(self) -> tuple[Tensor, ...]:
        return tuple(map(tensor_from_text, self.outputs))

    @property
    def convolves(self) -> bool:
        """Whether it multiplies by a convolution's weights (alone or fused with what follows)."""
        if "onvolution" in self.kind or self.kind == "correlation":
            return True
        return self.name.startswith("__myl") and re.search(r"Corr|Conv", self.name) is not None

    @property
    def reformats(self) -> bool:
        """Whether the library calls it a change of layout or data type."""
        return "reformat" in self.kind.lower()

    @property
    def precision(self) -> str:
        """Data types on both sides: "int8->fp32"."""
        return f"{_types(self.inputs)}->{_types(self.outputs)}"

    @property
    def nodes(self) -> tuple[str, ...]:
        """ONNX nodes that it computes; where the log does not tell, those that its name names (a reformat's: whose)."""
        return self.origins or (() if self.reformats else tuple(re.split(r" \+ | \|\| ", self.name)))


@dataclass(frozen=True)
class Convolution:
    """How one convolution of the ONNX file runs in the engine."""

    name: str  # of the ONNX node
    runs_in: str  # data type that it multiplies: "int8", "fp16", "fp32", "unknown"
    precision: str  # "int8->fp32"


def layers_from_table(table: str) -> list[Layer]:
    """The layers of an engine table ("Layers:" and a line for each); lines of another kind are passed over."""
    names = Names()
    found = (_LAYER.match(line) for line in table.split("\n"))  # not splitlines: \x1e parts the origins of a layer
    return [_layer(match, names) for match in found if match]


def origins_in(metadata: str) -> tuple[str, ...]:
    """The ONNX nodes that a layer's metadata names: "[ONNX Layer: stem][ONNX Layer: relu]"."""
    return tuple(dict.fromkeys(_ORIGIN.findall(metadata)))


class Names:
    """Short names for the tensors of one table: #1, #2, ... for what Myelin named; and the constants met so far."""

    def __init__(self) -> None:
        self._short: dict[str, str] = {}
        self._constants: set[str] = set()

    def short(self, name: str) -> str:
        if not name.startswith(MADE_UP) and not re.search(r"_myl\d+$", name):
            return name
        return self._short.setdefault(name, f"#{len(self._short) + 1}")

    def is_new(self, constant: str) -> bool:
        """Whether this is the first time that a constant of this name is met."""
        before = len(self._constants)
        self._constants.add(constant)
        return len(self._constants) > before


def convolutions_in(layers: Sequence[Layer], names: Iterable[str]) -> list[Convolution]:
    """How the convolutions with these ONNX names run; "unknown" for one that the table does not show."""
    return [_convolution(name, [layer for layer in layers if layer.convolves and name in layer.nodes])
            for name in names]


def counted(precisions: Iterable[str]) -> dict[str, int]:
    """How many of each, the most frequent first."""
    return dict(Counter(precisions).most_common())


def _convolution(name: str, layers: Sequence[Layer]) -> Convolution:
    if not layers or not layers[0].inputs:
        return Convolution(name, UNKNOWN, UNKNOWN)
    return Convolution(name, layers[0].reads[0].dtype, layers[0].precision)


def _layer(match: re.Match[str], names: Names) -> Layer:
    tactic = _TACTIC.search(match["rest"])
    chosen = tactic[1] if tactic and not tactic[1].startswith(MADE_UP) else ""
    constants = [tensor for tensor in _tensors(match["constants"] or "") if names.is_new(tensor.name)]
    weights: Counter[str] = Counter()
    for constant in constants:
        weights[constant.dtype] += constant.size(1)
    for told, count in _WEIGHTS.findall(match["rest"]):
        weights[data_type(told)] += Tensor(data_type(told), "", (int(count),), "").size(1)
    inputs, outputs = (tuple(Tensor(tensor.dtype, tensor.layout, tensor.shape, names.short(tensor.name)).text
                             for tensor in _tensors(match[side])) for side in ("inputs", "outputs"))
    return Layer(match["name"], match["kind"], inputs, outputs, origins_in(match["rest"]), dict(weights), chosen)


def _tensors(text: str) -> list[Tensor]:
    return [_tensor(match) for match in _TENSOR.finditer(text)]


def _tensor(match: re.Match[str]) -> Tensor:
    told, kind, shown = match["told"], _TYPE.search(match["told"]), _FORMAT.search(match["told"])
    shape = tuple(int(side) for side in match["sides"].split(",") if side)
    return Tensor(data_type(kind[1] if kind else told), layout(shown[1] if shown else ""), shape, match["name"])


def _types(tensors: Iterable[str]) -> str:
    return "+".join(dict.fromkeys(text.split(" ", 1)[0] for text in tensors)) or "-"
