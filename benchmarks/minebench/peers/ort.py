"""INT8 by ONNX Runtime's quantize_static, in the settings that a person who read its guide would try.

S8S8 is for TensorRT: symmetric, pairs at convolutions' inputs alone. U8S8 is for CPUs: every operation that it knows,
up to the last convolutions. Weights are per channel and decode stays in float in all of them.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
from minehat.card import ModelCard, read_card
from minehat.files import sha256_of, written_whole
from minehat.progress import bar
from onnx import ModelProto
from onnxruntime import quantization

from .graphs import decode_of, keep_card
from .our_grids import Grids
from .squares import batches

METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}  # as its CalibrationMethod calls them
PERCENTILE = 99.999
FEW = 8  # squares, where the ranges are ours: it measures some all the same


@dataclass(frozen=True)
class Setting:
    """One way to call quantize_static."""

    form: str  # s8s8 or u8s8
    method: str  # of METHODS
    grids: Grids | None = None  # ours, where the ranges shall be those of a file of ours
    grids_of: str = ""  # its name

    @property
    def name(self) -> str:
        """What the file is called."""
        return f"ort-{self.form}-{f'ranges-of-{self.grids_of}' if self.grids else self.method}"


SETTINGS = tuple(Setting(form, method) for form in ("s8s8", "u8s8") for method in METHODS)


def make(model: Path, squares: Sequence[Path], setting: Setting, folder: Path) -> Path:
    """Write `folder`/NAME.onnx, the FP32 `model` quantized with the setting; one that is there is left as it is."""
    out = folder / f"{setting.name}.onnx"
    if not out.exists():
        card = read_card(model)
        plain = onnx.load(model)
        with written_whole(out) as scratch:
            shown = squares[:FEW] if setting.grids else squares
            _quantize(plain, scratch, setting, _Reader(plain.graph.input[0].name, shown, card, setting.name))
            whole = onnx.load(scratch)
            keep_card(whole, card.with_(precision="int8" if setting.form == "s8s8" else "int8-cpu",
                                        parent_sha256=sha256_of(model), accuracy={}))
            onnx.save(whole, scratch)
    return out


def _quantize(plain: ModelProto, out: Path, setting: Setting, reader: _Reader) -> None:
    last, decode = decode_of(plain)
    signed = setting.form == "s8s8"
    activations = quantization.QuantType.QInt8 if signed else quantization.QuantType.QUInt8
    extra = {"ActivationSymmetric": signed, "WeightSymmetric": True, "CalibStridedMinMax": 1,
             "CalibPercentile": PERCENTILE}
    if signed:
        extra |= {"QuantizeBias": False, "OpTypesToExcludeOutputQuantization": ["Conv"]}
    if setting.grids:
        extra["TensorQuantOverrides"] = _overrides(setting.grids, activations)
    with _hushed():
        quantization.quantize_static(
            plain, out, reader, per_channel=True, activation_type=activations,
            weight_type=quantization.QuantType.QInt8, op_types_to_quantize=["Conv"] if signed else None,
            nodes_to_exclude=decode if signed else last + decode, extra_options=extra,
            calibrate_method=getattr(quantization.CalibrationMethod, METHODS[setting.method]))


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """It prints a line a picture, and recommends a preparation that changes nothing here."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _overrides(grids: Grids, kind: Any) -> Mapping[str, Any]:
    return {tensor: [{"quant_type": kind, "scale": scale, "zero_point": zero}]
            for tensor, (scale, zero) in grids.items()}


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
    """The squares, one at a time; `set_range` is what quantize_static asks for to bound its memory."""

    def __init__(self, feed: str, squares: Sequence[Path], card: ModelCard, label: str) -> None:
        self._feed, self._count = feed, len(squares)
        self._walk: Iterator[npt.NDArray[Any]] = batches(list(bar(squares, label=label)), card)
        self._left = 0

    def __len__(self) -> int:
        return self._count

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = end_index - start_index

    def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
        if not self._left:
            return None
        self._left -= 1
        return {self._feed: next(self._walk)}
