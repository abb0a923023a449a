"""Tensors of an engine: data type, layout in memory and shape, as TensorRT tells them and as cards keep them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..onnx_reader import BITS

UNKNOWN_TYPE, UNKNOWN_LAYOUT = "unknown", "-"
_TYPE = re.compile(r"\b(half|float|bfloat16|fp16|fp32|bf16|fp8|fp4|u?int8|int4|int32|int64|bool)\b", re.IGNORECASE)
_SHORT = {"half": "fp16", "float": "fp32", "bfloat16": "bf16"}
_WIDE = {"two": 2, "four": 4, "sixteen": 16, "thirty-two": 32}


@dataclass(frozen=True)
class Tensor:
    """What a kernel reads or writes. A card keeps it as text: "int8 hwc Nx8x416x416 #17"."""

    dtype: str  # one of BITS, or "unknown"
    layout: str  # linear, hwc, hwc8, chw4, chw32, ...; "-" where it was not told
    shape: tuple[int, ...]  # -1 for the batch
    name: str  # "#17" where the library made one up

    @property
    def text(self) -> str:
        sides = "x".join("N" if side == -1 else str(side) for side in self.shape) or "scalar"
        return f"{self.dtype} {self.layout} {sides} {self.name}"

    @property
    def is_inner(self) -> bool:
        """Whether its name is made up, so that it is no input or output of the engine."""
        return self.name.startswith("#")

    def size(self, batch: int) -> int:
        """Bytes that its values take at this batch; what a layout pads is not counted."""
        values = math.prod(batch if side == -1 else side for side in self.shape)
        return values * BITS.get(self.dtype, 0) // 8


def tensor_from_text(text: str) -> Tensor:
    """The way back from `Tensor.text`. Raises ValueError."""
    dtype, layout, sides, name = text.split(" ", 3)
    shape = () if sides == "scalar" else tuple(-1 if side == "N" else int(side) for side in sides.split("x"))
    return Tensor(dtype, layout, shape, name)


def data_type(told: str) -> str:
    """The data type in TensorRT's words: "Half" and "Channel major FP16 format" are both "fp16"."""
    found = _TYPE.search(told)
    word = found[1].lower() if found else UNKNOWN_TYPE
    return _SHORT.get(word, word)


def layout(told: str) -> str:
    """The layout in TensorRT's words: "Thirty-two wide channel vectorized row major Int8 format" is "chw32"."""
    words = told.lower()
    wide = re.search(r"(\S+) wide channel", words)
    if wide:
        return f"chw{_WIDE.get(wide[1], '')}"
    if "channel major" in words:
        packed = re.search(r"\bc(?:hannel)? % (\d+)", words)
        return f"hwc{packed[1] if packed else ''}"
    return "linear" if "row major" in words else UNKNOWN_LAYOUT
