"""The engine card: the model's card, and what an engine is bound to. It lies beside it as x.engine.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..card import ModelCard, card_from_json, read_card
from ..errors import MineHatError
from .library import TITLES


@dataclass(frozen=True)
class EngineCard:
    """In JSON the model's fields and these lie side by side, so that `read_card` reads it as a ModelCard."""

    model: ModelCard  # its parent_sha256 is the ONNX file's
    engine_sha256: str
    engine_bytes: int
    onnx: str  # name of the ONNX file
    flavour: str  # "tensorrt" or "rtx"
    tensorrt_version: str
    gpu: str | None  # that it was built on; None when it was compiled ahead of time
    compute_capabilities: tuple[str, ...]  # that it runs on: "8.6"
    cuda_version: str | None  # of the driver that it was built with
    build_flags: tuple[str, ...]  # of `minehat build`, so that it can be built again
    batch: tuple[int, int, int]  # least, best, most
    calibration: Mapping[str, Any]  # as the ONNX file tells it: images_sha256, method, ...; {} for none
    build_seconds: float
    precisions: Mapping[str, int]  # convolutions by "input->output" type

    @property
    def library_title(self) -> str:
        """What it was built with: TensorRT-RTX 1.7.1.116"""
        return f"{TITLES.get(self.flavour, self.flavour)} {self.tensorrt_version}"

    @property
    def rebuild(self) -> str:
        """The command that builds this engine again."""
        return " ".join(["minehat build", self.onnx, *self.build_flags])

    def to_json(self) -> str:
        """Indented JSON, keys sorted."""
        own = {key: value for key, value in asdict(self).items() if key != "model"}
        return json.dumps({**asdict(self.model), **own}, indent=1, sort_keys=True) + "\n"


def card_beside(engine: Path) -> Path:
    """x.engine -> x.engine.json"""
    return engine.with_name(engine.name + ".json")


def read_engine_card(engine: str | Path) -> EngineCard:
    """The card beside an engine. Raises MineHatError where it is missing, broken or not an engine's."""
    engine = Path(engine)
    read_card(engine)
    beside = card_beside(engine)
    text = beside.read_text(encoding="utf-8")
    model, found = card_from_json(text, str(beside)), json.loads(text)
    own = [field.name for field in fields(EngineCard) if field.name != "model"]
    lacking = [name for name in own if name not in found]
    if lacking:
        raise MineHatError(f"{beside} lacks {', '.join(lacking)}: it is not the card of an engine from "
                           f"`minehat build`. Build the engine again: `minehat build {engine.stem}.onnx`")
    return EngineCard(model=model, **{name: _frozen(found[name]) for name in own})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
