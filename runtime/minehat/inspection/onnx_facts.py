"""What an ONNX file is: its card, its graph in numbers, its convolutions, its calibration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..card import KEY, ModelCard, card_from_json
from ..errors import MineHatError
from ..files import sha256_of
from ..onnx_metadata import CALIBRATION_KEY, object_under
from ..onnx_reader import OnnxFile, read_onnx
from .convolutions import FileConvolution, convolutions_of
from .sizes import Size

PLACEMENT_KEY = "minehat.placement"
_NO_WEIGHTS = ("int64", "bool", "string")  # they hold shapes and switches
_PAIRS = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class OnnxFacts:
    """A file, without its weights."""

    path: Path
    size_bytes: int
    sha256: str
    file: OnnxFile
    card: ModelCard | None
    no_card: str  # why there is none, and what to do; "" where there is one
    input_size: Size | None  # height and width that multiply-adds are counted at; None where they are open
    convolutions: tuple[FileConvolution, ...]

    @property
    def operators(self) -> dict[str, int]:
        """How many nodes of each, the most frequent first."""
        return dict(Counter(node.op for node in self.file.nodes).most_common())

    @property
    def constants(self) -> dict[str, tuple[int, int]]:
        """By data type: values and bytes, the most bytes first."""
        values: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for constant in self.file.constants.values():
            values[constant.dtype] += constant.count
            sizes[constant.dtype] += constant.bytes
        return {dtype: (values[dtype], size) for dtype, size in sizes.most_common()}

    @property
    def parameters(self) -> int:
        """Values that it computes with: weights, biases, anchors; no scales, zero points, shapes."""
        grids = {name for node in self.file.nodes if node.op in _PAIRS for name in node.inputs[1:]}
        return sum(constant.count for name, constant in self.file.constants.items()
                   if name not in grids and constant.dtype not in _NO_WEIGHTS)

    @property
    def outside(self) -> tuple[str, ...]:
        """Files beside this one that hold weights."""
        return tuple(dict.fromkeys(constant.outside for constant in self.file.constants.values() if constant.outside))

    @property
    def lifted(self) -> tuple[str, ...]:
        """Tensors that the gate left without Q/DQ."""
        named = object_under(PLACEMENT_KEY, self.file.metadata).get("lifted", ())
        return tuple(map(str, named)) if isinstance(named, list) else ()

    @property
    def calibration(self) -> dict[str, Any]:
        """How INT8 ranges were found; {} where the file does not tell."""
        return object_under(CALIBRATION_KEY, self.file.metadata)


def onnx_facts(path: str | Path) -> OnnxFacts:
    """Read a file. Raises MineHatError when it is no whole ONNX file; a card that is missing or damaged is told."""
    path = Path(path)
    file = read_onnx(path)
    card, no_card = _card(path, file)
    size = (card.height, card.width) if card else _own_size(file)
    try:
        convolutions = tuple(convolutions_of(file, size))
    except (IndexError, ArithmeticError, ValueError) as exc:
        raise MineHatError(f"{path}: a node of its graph lacks an input, or has numbers that make no sense: the file "
                           "is damaged. Copy it or export it again.") from exc
    return OnnxFacts(path, path.stat().st_size, sha256_of(path), file, card, no_card, size, convolutions)


def _card(path: Path, file: OnnxFile) -> tuple[ModelCard | None, str]:
    if KEY not in file.metadata:
        return None, (f"this file carries none. Where it is another's detector: `minehat adapt {path} -o OUT.onnx`; or "
                      "give one by hand with --card")
    try:
        return card_from_json(file.metadata[KEY], str(path)), ""
    except MineHatError as exc:
        return None, str(exc)


def _own_size(file: OnnxFile) -> Size | None:
    shape = file.inputs[0].shape if file.inputs else ()
    sides = [side for side in shape[2:] if isinstance(side, int) and side > 0]
    return (sides[0], sides[1]) if len(shape) == 4 and len(sides) == 2 else None
