"""The model card: everything about a model that a second place would otherwise have to remember.

It travels inside an ONNX file (metadata key `minehat.card`) and beside an engine
(`x.engine` + `x.engine.json`). Reading needs no library but the standard one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import MineHatError
from .onnx_metadata import read_metadata

KEY = "minehat.card"
SCHEMA = 1
PRECISIONS = ("fp32", "fp16", "int8", "int8+fp16", "int8-cpu")


@dataclass(frozen=True)
class ModelCard:
    """What a model is and how it wants to be fed. The network's input is (pixel - mean) * scale."""

    name: str
    classes: tuple[str, ...]  # row i of `scores` columns is classes[i]
    height: int  # of the network's input, pixels
    width: int
    schema: int = SCHEMA
    task: str = "detect"
    channel_order: str = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)  # per channel, in 0..255
    scale: tuple[float, ...] = (1 / 255, 1 / 255, 1 / 255)
    pad: int = 114  # grey of the letterbox's bands, 0..255
    stride: int = 32
    precision: str = "fp32"
    outputs: tuple[str, ...] = ("boxes", "scores")
    conf: float = 0.25  # default threshold on the score
    iou: float = 0.5  # default threshold of the suppression
    parent_sha256: str = ""  # of the file that this one was made from
    data_sources: tuple[str, ...] = ()
    accuracy: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by data set's name

    def __post_init__(self) -> None:
        _check(self)

    @property
    def size_text(self) -> str:
        """The input size as people write it: WxH."""
        return f"{self.width}x{self.height}"

    def to_json(self) -> str:
        """One line of JSON, keys sorted, so that equal cards are equal text."""
        return json.dumps(asdict(self), sort_keys=True)

    def with_(self, **changes: Any) -> ModelCard:
        """A copy with some fields changed."""
        return replace(self, **changes)


def card_from_json(text: str, source: str) -> ModelCard:
    """Parse a card. `source` names the file in errors.

    Fields that belong to an engine's card only are the engine reader's business and ignored here.
    """
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise MineHatError(f"{source}: the model card is not JSON ({exc}).") from exc
    if not isinstance(found, dict):
        raise MineHatError(f"{source}: the model card must be a JSON object, found {type(found).__name__}.")
    schema = found.get("schema", SCHEMA)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise MineHatError(f"{source}: its card has schema {schema}, this MineHat reads up to {SCHEMA}. "
                           "Install a newer one: `pip install -U minehat`.")
    return _card_from_fields(found, source)


def read_card(path: str | Path) -> ModelCard:
    """The card of an .onnx (from its metadata), an engine (the .json beside it) or a card file (.json)."""
    path = Path(path)
    if not path.is_file():
        raise MineHatError(f"{path}: no such model file.")
    if path.suffix == ".json":
        return card_from_json(_text(path), str(path))
    if path.suffix == ".onnx":
        text = read_metadata(path).get(KEY)
        if text is None:
            raise MineHatError(f"{path} carries no model card (metadata key {KEY!r}). Give one by hand: "
                               "`--card card.json` with name, classes, height and width.")
        return card_from_json(text, str(path))
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        raise MineHatError(f"{path}: its card {beside.name} is missing. Build the engine again: "
                           "`minehat build MODEL.onnx`, or give one by hand with `--card card.json`.")
    return card_from_json(_text(beside), str(beside))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise MineHatError(f"{path} cannot be read as a card: {exc}.") from exc


def _card_from_fields(found: dict[str, Any], source: str) -> ModelCard:
    known = {f.name for f in fields(ModelCard)}
    lacking = [key for key in ("name", "classes", "height", "width") if key not in found]
    if lacking:
        raise MineHatError(f"{source}: the model card lacks {', '.join(lacking)}.")
    chosen = {key: tuple(value) if isinstance(value, list) else value
              for key, value in found.items() if key in known}
    try:
        return ModelCard(**chosen)
    except (TypeError, ValueError) as exc:
        raise MineHatError(f"{source}: the model card is not usable: {exc}") from exc


def _check(card: ModelCard) -> None:
    """Raise ValueError naming the first field that makes no sense."""
    if not card.classes or not all(isinstance(name, str) for name in card.classes):
        raise ValueError(f"classes must be a list of names, found {card.classes!r}.")
    for key in ("height", "width"):
        side = getattr(card, key)
        if not isinstance(side, int) or side <= 0 or side % card.stride:
            raise ValueError(f"{key} must be a positive multiple of {card.stride}, found {side!r}.")
    if card.channel_order not in ("RGB", "BGR"):
        raise ValueError(f"channel_order must be RGB or BGR, found {card.channel_order!r}.")
    if len(card.mean) != 3 or len(card.scale) != 3:
        raise ValueError("mean and scale must have three numbers each.")
    if card.precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {card.precision!r}.")
    for key in ("conf", "iou"):
        if not 0 <= getattr(card, key) <= 1:
            raise ValueError(f"{key} must lie in 0..1, found {getattr(card, key)!r}.")
