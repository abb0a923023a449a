"""What is built: an ONNX file as it is, or with something grafted onto it, and the card that goes with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..card import ModelCard, read_card
from ..errors import MineHatError
from ..files import sha256_of
from ..guests import load_onnx
from .onnx_form import check_form, symmetric_name
from .options import BuildOptions


@dataclass(frozen=True)
class Source:
    """A network on its way to a builder."""

    onnx: Path
    card: ModelCard  # of what is parsed; its parent_sha256 is the file's
    card_by_hand: bool
    grafted: bytes | None  # what is parsed; None for the file itself
    table: bytes | None = None  # INT8 scales for a weakly typed network; None for a strongly typed one
    scales: Mapping[str, int] = field(default_factory=dict)  # how many of them are known how; {} without a table

    @property
    def sha256(self) -> str:
        """Of what is parsed, as hex."""
        return hashlib.sha256(self.grafted).hexdigest() if self.grafted is not None else self.card.parent_sha256


def source_of(onnx: Path, card: ModelCard | None, options: BuildOptions) -> Source:
    """The file, read and grafted as the options ask. Raises MineHatError for what no engine is built from."""
    if not onnx.is_file():
        raise MineHatError(f"{onnx}: no such model file.")
    if onnx.suffix != ".onnx":
        raise MineHatError(f"{onnx} is not an .onnx file; engines are built from one.")
    if any(0xDC80 <= ord(char) <= 0xDCFF for char in str(onnx)):  # as Python keeps bytes that are no UTF-8
        raise MineHatError(f"{onnx}: the name is not UTF-8, and TensorRT cannot open it. Give it another one.")
    check_form(onnx)
    own = card or read_card(onnx)
    if own.precision == "int8-cpu":
        raise MineHatError(f"{onnx}: its card says int8-cpu; this is the CPU form. "
                           f"Build from {symmetric_name(onnx)}")
    own = own.with_(parent_sha256=sha256_of(onnx))
    if options.nms == "none" and options.input is None:
        return Source(onnx, own, card is not None, None)
    from ..grafts import with_suppression, with_uint8_input
    model = load_onnx("graft onto a network (--nms, --input)").load(str(onnx))
    if options.nms != "none":
        model, own = with_suppression(model, own, options.nms, options.candidates)
    if options.input is not None:
        model, own = with_uint8_input(model, own)
    return Source(onnx, own, card is not None, model.SerializeToString())
