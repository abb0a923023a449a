"""The grids that an INT8 file of ours rounds activations to, read from the placement in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from minehat.errors import MineHatError
from minehat.onnx_metadata import read_metadata

KEY = "minehat.placement"
FORMS = {"tensorrt": "s8s8", "cpu": "u8s8"}
Grids = Mapping[str, tuple[np.ndarray, np.ndarray]]  # tensor of the FP32 graph -> scale, zero point


def grids_of(path: Path) -> tuple[str, Grids] | None:
    """s8s8 or u8s8, and the grids; None where channels were equalised, so that they are not those of the FP32 graph.

    Raises MineHatError for a file that carries no placement.
    """
    text = read_metadata(path).get(KEY)
    if text is None:
        raise MineHatError(f"{path} does not tell where its ranges lie (metadata key {KEY!r}). Make it again with "
                           "calib/quantize.py.")
    placement = json.loads(text)
    if placement.get("equalised"):
        return None
    form = FORMS[placement["form"]]
    grid = _signed if form == "s8s8" else _unsigned
    return form, {pair["tensor"]: grid(pair["low"], pair["high"]) for pair in placement["pairs"]}


def _signed(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array(high / 127, np.float32), np.array(0, np.int8)


def _unsigned(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    scale = (high - low) / 255
    return np.array(scale, np.float32), np.array(round(-low / scale), np.uint8)
