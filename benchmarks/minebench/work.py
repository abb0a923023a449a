"""What a network has to do for a frame: multiply-adds, and bytes that pass between memory and arithmetic."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minehat.card import read_card
from minehat.engine.card import read_engine_card
from minehat.errors import MineHatError
from minehat.inspection import onnx_facts
from minehat.inspection.convolutions import FileConvolution

BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "uint8": 1}
FLOAT = 4  # bytes of a value of the picture and of the answer


@dataclass(frozen=True)
class Work:
    """Of one frame, convolutions alone; the rest is little beside them."""

    operations: float  # multiplications and additions, both counted
    kind: str  # data type that most of them are done in: "fp32", "fp16", "int8"
    weight_bytes: float  # once a call, whatever its batch
    ends_bytes: float  # the picture in, the boxes out: what passes at the least
    map_bytes: float  # every layer's result written and read once: what passes where no cache holds it

    def to_json(self) -> dict[str, Any]:
        return {key: value if isinstance(value, str) else round(value) for key, value in asdict(self).items()}

    def least_bytes(self, batch: int) -> float:
        """Bytes a frame at a batch, if caches hold everything between the ends."""
        return self.weight_bytes / batch + self.ends_bytes

    def most_bytes(self, batch: int) -> float:
        """Bytes a frame at a batch, if caches hold nothing from one layer to the next."""
        return self.least_bytes(batch) + self.map_bytes


def work_of(model: Path, on_gpu: bool) -> Work | None:
    """None where it cannot be counted: an engine without its ONNX file beside it, sides that are open.

    on_gpu: FP16 is worked out in FP16; processors work it out in FP32.
    """
    path = _onnx_of(model)
    if path is None:
        return None
    convolutions = onnx_facts(path).convolutions
    if not convolutions or any(conv.macs is None or not conv.weights for conv in convolutions):
        return None
    return _counted(convolutions, read_card(path), on_gpu)


def _onnx_of(model: Path) -> Path | None:
    if model.suffix.lower() == ".onnx":
        return model
    try:
        beside = model.parent / read_engine_card(model).onnx
    except MineHatError:
        return None
    return beside if beside.is_file() else None


def _counted(convolutions: tuple[FileConvolution, ...], card: Any, on_gpu: bool) -> Work:
    operations: dict[str, float] = {}
    weights = maps = 0.0
    for conv in convolutions:
        kind = _kind(conv.runs_in, on_gpu)
        assert conv.macs is not None
        operations[kind] = operations.get(kind, 0) + 2 * conv.macs
        weights += math.prod(conv.weights) * BYTES[kind]
        maps += 2 * BYTES[kind] * conv.macs / math.prod(conv.weights[1:])
    boxes = 3 * (card.height // 8 * (card.width // 8)) * 21 / 16 * (4 + len(card.classes))
    return Work(sum(operations.values()), max(operations, key=lambda kind: operations[kind]), weights,
                FLOAT * (3 * card.height * card.width + boxes), maps)


def _kind(runs_in: str, on_gpu: bool) -> str:
    if runs_in in ("int8", "uint8"):
        return "int8"
    return "fp16" if runs_in in ("fp16", "bf16") and on_gpu else "fp32"
