"""The FP32 detector that a file of lower precision is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
from minehat.card import ModelCard, read_card
from minehat.errors import MineHatError
from minehat.files import sha256_of
from minehat.onnx_metadata import read_metadata
from onnx import ModelProto, TensorProto

from .graph import Wiring, open_model
from .placement import KEY, Placement
from .weights.equalise import equalise


@dataclass(frozen=True)
class Parent:
    """A plain FP32 detector and what is known of it."""

    path: Path
    model: ModelProto
    card: ModelCard
    fine_tuned_for: Placement | None  # where its training rounded as INT8 will

    @cached_property
    def sha256(self) -> str:
        return sha256_of(self.path)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def equalised(self, greatest: Mapping[str, npt.NDArray[Any]]) -> Parent:
        """The same function with its channels equalised; `greatest` as `equalise` wants them, none for none."""
        if not greatest:
            return self
        wiring = self.wiring()
        equalise(wiring, greatest)
        return replace(self, model=wiring.model)

    def wiring(self) -> Wiring:
        """A copy of the graph, open for rewiring."""
        copy = ModelProto()
        copy.CopyFrom(self.model)
        return Wiring(copy)


def open_parent(path: Path, card: Path | None = None) -> Parent:
    """card: of a model that carries none. Raises MineHatError for what is no FP32 detector with boxes and scores."""
    found = read_card(card or path)
    model = open_model(str(path))
    _check_contract(path, model, found)
    placement = read_metadata(path).get(KEY)
    return Parent(path, model, found, Placement.from_json(placement) if placement else None)


def _check_contract(path: Path, model: ModelProto, card: ModelCard) -> None:
    """Raise MineHatError unless input and outputs are as the card and the graph's contract say."""
    if card.suppression != "none":
        raise MineHatError(f"{path} has suppression inside ({card.suppression}), which comes last. Give the model that "
                           "it was made from.")
    if card.input_dtype != "float32":
        raise MineHatError(f"{path} takes {card.input_dtype} pixels, which come last. Give the model that it was made "
                           "from.")
    names = {value.name for value in model.graph.output}
    if names != {"boxes", "scores"}:
        raise MineHatError(f"{path} gives {', '.join(sorted(names))}; wanted boxes and scores, decoded inside "
                           "the graph, as `export/to_onnx.py` writes them.")
    given = {tensor.name for tensor in model.graph.initializer}
    value = next(one for one in model.graph.input if one.name not in given)
    found = [dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]]
    if found != [3, card.height, card.width] or value.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise MineHatError(f"{path} wants input [N, {', '.join(map(str, found))}], its card says "
                           f"float32 [N, 3, {card.height}, {card.width}]. Give the card that belongs to it: `--card`.")
    if card.precision != "fp32":
        raise MineHatError(f"{path} is {card.precision} by its card. Give the FP32 model.")
