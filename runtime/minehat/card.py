"""The model card: everything about a model that a second place would otherwise have to remember.

It travels inside an ONNX file (metadata key `minehat.card`) and beside an engine
(`x.engine` + `x.engine.json`). Reading needs no library but the standard one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import MineHatError
from .onnx_metadata import read_metadata
from .onnx_reader import read_onnx

KEY = "minehat.card"
SCHEMA = 1
PRECISIONS = ("fp32", "fp16", "int8", "int8+fp16", "int8-cpu")
OUTPUTS = {  # that a graph has, by how much of the suppression is inside it
    "none": ("boxes", "scores"),  # [N, B, 4], [N, B, C]
    "topk": ("boxes", "scores"),  # the same of the B best boxes, best first
    "graph": ("boxes", "scores", "labels", "count", "converged"),  # [N, K, 4], [N, K], [N, K], [N], [N]
    "plugin": ("boxes", "scores", "labels", "count"),
}


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
    input_dtype: str = "float32"  # of `images`; uint8: planes of pixels 0..255 as they are, mean and scale in the graph
    pad: int = 114  # grey of the letterbox's bands, 0..255
    stride: int = 32
    precision: str = "fp32"
    outputs: tuple[str, ...] = OUTPUTS["none"]  # their names, in the order of OUTPUTS
    decode: str = "inside"  # outside: the outputs are the raw maps, fine to coarse, and the runtime makes boxes of them
    anchors: tuple[tuple[float, float], ...] = ()  # (w, h) in pixels, small to large; where decode is outside
    reach: float = 1.0  # cells wide the square is in which a cell can place a centre; where decode is outside
    suppression: str = "none"  # inside the graph: none, topk, graph, plugin
    candidates: int = 0  # boxes a picture that the graph lets through at most; 0 where all
    conf: float = 0.25  # default threshold on the score; where the graph suppresses, the least there is
    iou: float = 0.5  # default threshold of the suppression; where the graph suppresses, the only one
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
    if type(schema) is not int or schema < 1:
        raise MineHatError(f"{source}: the model card's schema must be a number from 1, found {schema!r}.")
    if schema > SCHEMA:
        raise MineHatError(f"{source}: its card has schema {schema}, this MineHat reads up to {SCHEMA}. "
                           "Install a newer one: `pip install -U minehat`.")
    return _card_from_fields(found, source)


def read_card(path: str | Path) -> ModelCard:
    """The card of an .onnx (from its metadata), an engine (the .json beside it) or a card file (.json)."""
    path = Path(path)
    if not path.is_file():
        raise MineHatError(f"{path}: no such model file.")
    if path.suffix.lower() == ".json":
        return card_from_json(_text(path), str(path))
    if path.suffix.lower() == ".onnx":
        text = read_metadata(path).get(KEY)
        if text is None:
            raise MineHatError(f"{path} carries no model card (metadata key {KEY!r}). {_cure_for(path)}")
        return card_from_json(text, str(path))
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        raise MineHatError(f"{path}: its card {beside.name} is missing. Build the engine again: "
                           "`minehat build MODEL.onnx`, or give one by hand with `--card card.json`.")
    return card_from_json(_text(beside), str(beside))


def _cure_for(path: Path) -> str:
    """Of a file without a card: what keeps the graph's contract lacks the card alone, another's wants adapting."""
    by_hand = "give one by hand: `--card card.json` with name, classes, height and width."
    if {value.name for value in read_onnx(path).outputs}.issuperset(OUTPUTS["none"]):
        return by_hand.capitalize()
    return f"If it is another's detector: `minehat adapt {path} -o OUT.onnx`; otherwise {by_hand}"


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
    chosen: dict[str, Any] = {key: _frozen(value) for key, value in found.items() if key in known}
    try:
        return ModelCard(**chosen)
    except (TypeError, ValueError) as exc:
        raise MineHatError(f"{source}: the model card is not usable: {exc}") from exc


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _check(card: ModelCard) -> None:
    """Raise ValueError naming the first field that makes no sense."""
    _check_names(card)
    _check_input(card)
    if card.precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, found {card.precision!r}.")
    for key in ("conf", "iou"):
        value = getattr(card, key)
        if not _is_number(value) or not 0 <= value <= 1:
            raise ValueError(f"{key} must lie in 0..1, found {value!r}.")
    if not isinstance(card.accuracy, Mapping):
        raise ValueError(f"accuracy must be an object, data set by data set, found {card.accuracy!r}.")


def _check_names(card: ModelCard) -> None:
    for key in ("name", "task", "parent_sha256"):
        if not isinstance(getattr(card, key), str):
            raise ValueError(f"{key} must be text, found {getattr(card, key)!r}.")
    for key in ("classes", "outputs", "data_sources"):
        names = getattr(card, key)
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{key} must be a list of names, found {names!r}.")
    if not card.classes or len(set(card.classes)) != len(card.classes):
        raise ValueError(f"classes must be different names, at least one, found {card.classes!r}.")
    wanted = OUTPUTS.get(card.suppression, ())
    if not wanted:
        raise ValueError(f"suppression must be one of {', '.join(OUTPUTS)}, found {card.suppression!r}.")
    if card.decode not in ("inside", "outside"):
        raise ValueError(f"decode must be inside or outside, found {card.decode!r}.")
    if card.decode == "outside":
        _check_decode(card)
    elif len(card.outputs) != len(wanted):
        raise ValueError(f"outputs must name {len(wanted)}: {', '.join(wanted)}; found {card.outputs!r}.")
    if type(card.candidates) is not int or card.candidates < 0:
        raise ValueError(f"candidates must be a whole number from 0, found {card.candidates!r}.")


def _check_decode(card: ModelCard) -> None:
    """Of a graph whose outputs are raw maps [N, a * (5 + C), h, w]."""
    if card.suppression != "none":
        raise ValueError(f"decode outside goes with no suppression inside, found {card.suppression!r}.")
    pairs = all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_number, pair)) for pair in card.anchors)
    if not card.anchors or not card.outputs or len(card.anchors) % len(card.outputs) or not pairs:
        raise ValueError(f"anchors must be (w, h) pairs, as many for each of the {len(card.outputs)} outputs; "
                         f"found {card.anchors!r}.")
    if not _is_number(card.reach) or card.reach < 1:
        raise ValueError(f"reach must be a number from 1, found {card.reach!r}.")


def _check_input(card: ModelCard) -> None:
    if card.input_dtype not in ("float32", "uint8"):
        raise ValueError(f"input_dtype must be float32 or uint8, found {card.input_dtype!r}.")
    for key in ("stride", "height", "width"):
        value = getattr(card, key)
        if type(value) is not int or value <= 0 or value % card.stride:
            raise ValueError(f"{key} must be a positive {_multiple(key, card)}, found {value!r}.")
    if card.channel_order not in ("RGB", "BGR"):
        raise ValueError(f"channel_order must be RGB or BGR, found {card.channel_order!r}.")
    for key in ("mean", "scale"):
        values = getattr(card, key)
        if not isinstance(values, tuple) or len(values) != 3 or not all(map(_is_number, values)):
            raise ValueError(f"{key} must be three numbers, found {values!r}.")
    if type(card.pad) is not int or not 0 <= card.pad <= 255:
        raise ValueError(f"pad must be a whole number in 0..255, found {card.pad!r}.")


def _multiple(key: str, card: ModelCard) -> str:
    return "whole number" if key == "stride" else f"multiple of {card.stride}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
