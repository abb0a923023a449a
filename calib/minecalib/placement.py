"""Where pairs stand, on which grids and for whom: the plan that an INT8 file is written by, and carries.

It travels as JSON in the file's metadata, so that a fine-tune can round where the file does and that what was
fine-tuned for it is written by it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from minehat.errors import MineHatError

KEY = "minehat.placement"  # in an ONNX file's metadata
SCHEMA = 1


@dataclass(frozen=True)
class Pair:
    """One quantize/dequantize pair."""

    tensor: str  # in the FP32 graph
    low: float  # ends of the grid
    high: float
    readers: tuple[str, ...]  # first outputs of the nodes that read the rounded tensor


@dataclass(frozen=True)
class Layer:
    """What is lifted to higher precision as one: tensors whose pairs make sense together only."""

    tensor: str  # the last of them, which names the layer
    tensors: tuple[str, ...]
    convolutions: tuple[str, ...]  # first outputs of those that read one of them


@dataclass(frozen=True)
class Placement:
    """All pairs of one form."""

    form: str
    pairs: tuple[Pair, ...]
    lifted: tuple[str, ...] = ()  # layers that got none, by their tensor
    equalised: bool = False  # the grids are for channels that were equalised beforehand

    @property
    def tensors(self) -> frozenset[str]:
        return frozenset(pair.tensor for pair in self.pairs)

    def readers_of(self, tensor: str) -> frozenset[str]:
        """Who reads it rounded."""
        return frozenset(reader for pair in self.pairs if pair.tensor == tensor for reader in pair.readers)

    def to_json(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Placement:
        """Raises MineHatError for what `to_json` did not write."""
        try:
            plain = json.loads(text)
            if plain["schema"] != SCHEMA:
                raise MineHatError(f"the model's placement has schema {plain['schema']}, this MineHat knows {SCHEMA}. "
                                   "Quantize and fine-tune with the same version.")
            return cls(plain["form"], tuple(_pair(entry) for entry in plain["pairs"]), tuple(plain["lifted"]),
                       bool(plain["equalised"]))
        except (ValueError, KeyError, TypeError) as exc:
            raise MineHatError(f"the model's placement ({KEY}) is damaged ({exc}). Quantize it again.") from exc


def lifted_tensors(layers: Iterable[Layer], lifted: Iterable[str]) -> frozenset[str]:
    """The tensors of the layers that `lifted` names. Raises MineHatError for a name that is no layer's."""
    by_name = {layer.tensor: layer for layer in layers}
    unknown = sorted(set(lifted) - set(by_name))
    if unknown:
        raise MineHatError(f"{unknown[0]} is no layer of this model, so it cannot be lifted. Quantize it again.")
    return frozenset(tensor for name in lifted for tensor in by_name[name].tensors)


def _pair(entry: Mapping[str, Any]) -> Pair:
    return Pair(str(entry["tensor"]), float(entry["low"]), float(entry["high"]), tuple(entry["readers"]))
