"""What an INT8 file rounds: which tensors, on which grid, for which readers; read from the file's metadata."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.onnx_metadata import read_metadata

KEY = "minehat.placement"
SCHEMA = 1
FORMS = ("tensorrt", "cpu")


@dataclass(frozen=True)
class Pair:
    """A quantize/dequantize pair on a tensor of the FP32 graph."""

    tensor: str
    low: float  # ends of its grid
    high: float
    readers: tuple[str, ...]  # first outputs of the nodes that read the rounded tensor


@dataclass(frozen=True)
class Placement:
    """All pairs of a file; a convolution's weights are INT8 exactly where its input is rounded for it."""

    form: str  # one of FORMS
    pairs: tuple[Pair, ...]
    lifted: tuple[str, ...] = ()  # tensors that got no pair because that cost too much accuracy
    equalised: bool = False  # the grids are for channels that were equalised beforehand

    def to_json(self) -> str:
        """One line of JSON, as it stands in the metadata."""
        return json.dumps({"schema": SCHEMA, **asdict(self)})


def read_placement(path: str | Path) -> Placement:
    """The placement that an ONNX file carries. Raises MineHatError where it has none that can be used."""
    text = read_metadata(path).get(KEY)
    if text is None:
        raise MineHatError(f"{path} does not say what it rounds (metadata key {KEY!r}). Make it anew: `python "
                           "calib/quantize.py helmet.onnx --images FOLDER -o helmet.int8.onnx`.")
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            raise MineHatError(f"{path}: its placement has schema {found['schema']}, this MineHat reads {SCHEMA}. "
                               "Take the MineHat that wrote it.")
        placement = Placement(found["form"], tuple(map(_pair, found["pairs"])), tuple(found["lifted"]),
                              bool(found.get("equalised")))
    except (KeyError, TypeError, ValueError) as exc:
        raise MineHatError(f"{path}: its placement cannot be read ({type(exc).__name__}: {exc}). Make the file anew "
                           "with calib/quantize.py.") from exc
    if placement.form not in FORMS or not placement.pairs:
        raise MineHatError(f"{path}: its placement is of form {placement.form!r} with {len(placement.pairs)} pairs; "
                           f"wanted {' or '.join(FORMS)}, and one pair at least.")
    return placement


def _pair(found: dict[str, Any]) -> Pair:
    """Raises ValueError for ends that span no grid with 0 in it."""
    low, high = float(found["low"]), float(found["high"])
    if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high and low < high):
        raise ValueError(f"tensor {found['tensor']} on a grid from {low} to {high}")
    return Pair(found["tensor"], low, high, tuple(found["readers"]))
