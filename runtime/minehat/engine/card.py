"""The engine card: the model's card, and what an engine is bound to. It lies beside it as x.engine.json."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..card import ModelCard, card_from_json, read_card
from ..errors import MineHatError
from .layers import Convolution, Layer, counted
from .library import TITLES

ENGINE_SCHEMA = 1


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
    convolutions: tuple[Convolution, ...]  # of the ONNX file, and how they run
    layers: tuple[Layer, ...]  # of the engine; () where the builder's log does not show them
    warnings: tuple[str, ...]  # of the library, each once
    dla: Mapping[str, Any]  # core, layers that it takes, layers on the GPU and why; {} where no core was asked for
    engine_schema: int = ENGINE_SCHEMA

    @property
    def precisions(self) -> dict[str, int]:
        """Convolutions by "input->output" type."""
        return counted(conv.precision for conv in self.convolutions)

    @property
    def library_title(self) -> str:
        """What it was built with: TensorRT-RTX 1.7.1.116"""
        return f"{TITLES.get(self.flavour, self.flavour)} {self.tensorrt_version}"

    @property
    def rebuild(self) -> str:
        """The command that builds this engine again."""
        return f"minehat build {self.onnx_word} {shlex.join(self.build_flags)}"

    @property
    def onnx_word(self) -> str:
        """The ONNX file's name as it is typed into a shell."""
        return shlex.quote(f"./{self.onnx}" if self.onnx.startswith("-") else self.onnx)

    def to_json(self) -> str:
        """Indented JSON, keys sorted; a layer and a convolution are one line each."""
        own = {key: value for key, value in asdict(self).items() if key != "model"}
        long = {key: own.pop(key) for key in ("convolutions", "layers")}
        text = json.dumps({**asdict(self.model), **own}, indent=1, sort_keys=True)
        return text.removesuffix("\n}") + "".join(_rows(key, rows) for key, rows in long.items()) + "\n}\n"


def card_beside(engine: Path) -> Path:
    """x.engine -> x.engine.json"""
    return engine.with_name(engine.name + ".json")


def read_engine_card(engine: str | Path) -> EngineCard:
    """The card beside an engine. Raises MineHatError where it is missing, broken or not an engine's."""
    engine = Path(engine)
    read_card(engine)
    beside = card_beside(engine)
    text = beside.read_text(encoding="utf-8")
    return engine_card_from_json(text, str(beside), f"{engine.stem}.onnx")


def engine_card_from_json(text: str, source: str, onnx: str = "MODEL.onnx") -> EngineCard:
    """Parse an engine's card; `source` names the file in errors, `onnx` what to build from where it is unusable."""
    model, found = card_from_json(text, source), json.loads(text)
    schema = found.get("engine_schema", ENGINE_SCHEMA)
    if type(schema) is not int or schema > ENGINE_SCHEMA:
        raise MineHatError(f"{source} has engine schema {schema!r}, this MineHat reads up to {ENGINE_SCHEMA}. "
                           "Install a newer one: `pip install -U minehat`.")
    onnx = found["onnx"] if _is_text(found.get("onnx")) else onnx
    own = [field.name for field in fields(EngineCard) if field.name != "model"]
    lacking = [name for name in own if name not in found]
    if lacking:
        raise MineHatError(f"{source} lacks {', '.join(lacking)}: it is not the card of an engine from "
                           f"`minehat build`. Build the engine again: `minehat build {onnx}`")
    try:
        return EngineCard(model=model, **{name: _value(name, found[name]) for name in own})
    except (TypeError, ValueError, AttributeError) as exc:
        raise MineHatError(f"{source} was edited by hand, or is damaged ({exc}). Build the engine again: "
                           f"`minehat build {onnx}`") from exc


_TEXTS_OF_ROWS = {"convolutions": ("name", "runs_in", "precision"), "layers": ("name", "kind")}


def _rows(key: str, rows: Any) -> str:
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    return f',\n "{key}": [' + (f"\n  {lines}\n ]" if lines else "]")


def _value(name: str, found: Any) -> Any:
    kinds = {"convolutions": Convolution, "layers": Layer}
    if name in kinds:
        if not all(isinstance(row.get(key), str) for row in found for key in _TEXTS_OF_ROWS[name]):
            raise ValueError(f"{name} hold no names")
        return tuple(kinds[name](**{key: _frozen(value) for key, value in row.items()}) for row in found)
    return _checked(name, _frozen(found))


def _checked(name: str, value: Any) -> Any:
    """Raise ValueError for what a preflight could not compare, or nobody could print."""
    if not _CHECKS.get(name, _anything)(value):
        raise ValueError(f"{name} is {value!r}")
    return value


def _anything(value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_text_or_none(value: Any) -> bool:
    return value is None or _is_text(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _is_batch(value: Any) -> bool:
    return (isinstance(value, tuple) and len(value) == 3 and all(type(count) is int for count in value)
            and 1 <= value[0] <= value[1] <= value[2])


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_share_of_dla(value: Any) -> bool:
    if not value:
        return _is_table(value)
    return (_is_table(value) and type(value.get("core")) is int and isinstance(value.get("taken"), list)
            and _is_table(value.get("gpu")))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "engine_sha256": _is_text, "engine_bytes": lambda value: type(value) is int, "onnx": _is_text, "flavour": _is_text,
    "tensorrt_version": _is_text, "gpu": _is_text_or_none, "compute_capabilities": _are_texts,
    "cuda_version": _is_text_or_none, "build_flags": _are_texts, "batch": _is_batch, "calibration": _is_table,
    "build_seconds": lambda value: type(value) in (int, float), "warnings": _are_texts, "dla": _is_share_of_dla}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
