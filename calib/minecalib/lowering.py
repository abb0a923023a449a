"""From an FP32 model to a file of lower precision: ranges, pairs, FP16, checks, card, and only then its name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from minehat.card import KEY, ModelCard
from minehat.errors import MineHatError
from minehat.files import sha256_of, written_whole
from onnx import ModelProto, TensorProto, helper

from . import cpu_form, tensorrt_form
from .check import Drift, check_valid, drift
from .fp16 import to_fp16
from .graph import Wiring, key_of, open_model
from .images import Squares
from .ranges import Clipping, Histogram, gather, symmetric, two_sided
from .running import rounds_halves, session_of

CALIBRATION = "minehat.calibration"  # metadata key: how the ranges were found
PRECISIONS = ("fp16", "int8", "int8+fp16")
FORMS = {"tensorrt": tensorrt_form, "cpu": cpu_form}
COMPARED = 8  # pictures on which parent and child must agree to be finite


@dataclass(frozen=True)
class Wish:
    """What is wanted of the new file."""

    precision: str = "int8"  # one of PRECISIONS
    form: str = "tensorrt"  # one of FORMS; FP16 is for TensorRT alone
    clipping: Clipping = field(default_factory=Clipping)

    def __post_init__(self) -> None:
        if self.form == "cpu" and self.precision != "int8":
            raise MineHatError(f"--form cpu with --precision {self.precision}: CPUs have no FP16 arithmetic that pays. "
                               "Give `--precision int8`, or `--form tensorrt`.")

    @property
    def needs_ranges(self) -> bool:
        return self.precision != "fp16"

    @property
    def name(self) -> str:
        """As the card calls it."""
        return "int8-cpu" if self.form == "cpu" else self.precision


@dataclass(frozen=True)
class Made:
    """What was written, for the table."""

    tensors: int  # whose ranges were gathered
    pairs: int  # quantize nodes
    dequantizers: int
    casts: int
    floats: dict[str, int]  # operation -> how many of them stay in floating point, decode apart
    decode: int  # nodes, all FP32
    drift: Drift
    before_fp16: bool  # drift is that before the FP16 pass, which this ONNX Runtime gets wrong
    bytes_before: int
    bytes_after: int


def lower(source: Path, card: ModelCard, wish: Wish, squares: Squares, out: Path) -> Made:
    """Write `out`, the model `source` (whose card is `card`) as `wish` says, or raise and leave nothing.

    `squares` are the calibration pictures; for plain FP16 they may be none, and noise is compared on.
    """
    parent = open_model(str(source))
    _check_contract(source, parent, card)
    with written_whole(out) as scratch:  # opened first: a folder that is not ours is told before the long walk
        return _lower_into(scratch, source, parent, card, wish, squares)


def _lower_into(scratch: Path, source: Path, parent: ModelProto, card: ModelCard, wish: Wish, squares: Squares) -> Made:
    wiring = Wiring(_copy(parent))
    histograms = _gather(wiring, wish, squares)
    floats = _left_in_float(wiring, wish)
    if wish.needs_ranges:
        _quantize(wiring, wish, histograms, card)
        wiring.finish()
    before_fp16 = _copy(wiring.model) if wish.precision == "int8+fp16" and not rounds_halves() else None
    casts = to_fp16(wiring) if "fp16" in wish.precision else 0
    made = card.with_(precision=wish.name, parent_sha256=sha256_of(source), accuracy={})  # its own, not its parent's
    _write_metadata(wiring.model, wish, squares, made)
    onnx.save(wiring.model, str(scratch))
    check_valid(scratch, parent)
    session_of(scratch)
    found = drift(parent, before_fp16 or scratch, _compared(squares, card))
    counts = Counter(node.op_type for node in wiring.graph.node)
    return Made(len(histograms), counts["QuantizeLinear"], counts["DequantizeLinear"], casts, floats,
                len(wiring.decode), found, before_fp16 is not None, source.stat().st_size, scratch.stat().st_size)


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy


def _gather(wiring: Wiring, wish: Wish, squares: Squares) -> dict[str, Histogram]:
    if not wish.needs_ranges:
        return {}
    wanted = [name for name in FORMS[wish.form].tensors_of(wiring) if name != wiring.input]
    return gather(wiring.model, wanted, squares.walk, squares.check)


def _quantize(wiring: Wiring, wish: Wish, histograms: dict[str, Histogram], card: ModelCard) -> None:
    """Choose the ranges and write the pairs. The input's range is not measured: pixels are 0..255."""
    low, high = _input_range(card)
    if wish.form == "cpu":
        ranges = {name: two_sided(histogram, wish.clipping) for name, histogram in histograms.items()}
        cpu_form.write(wiring, ranges | {wiring.input: (min(low, 0.0), max(high, 0.0))})
    else:
        magnitudes = {name: symmetric(histogram, wish.clipping) for name, histogram in histograms.items()}
        tensorrt_form.write(wiring, magnitudes | {wiring.input: max(-low, high)})


def _input_range(card: ModelCard) -> tuple[float, float]:
    """What the network's input can hold, by the card's mean and scale."""
    ends = [(pixel - mean) * scale for pixel in (0, 255) for mean, scale in zip(card.mean, card.scale, strict=True)]
    return min(ends), max(ends)


def _left_in_float(wiring: Wiring, wish: Wish) -> dict[str, int]:
    """Operations of the body that no integer kernel takes, most frequent first."""
    if not wish.needs_ranges:
        return {}
    whole = {key_of(node) for node in FORMS[wish.form].integer_nodes(wiring)}
    return dict(Counter(node.op_type for node in wiring.body if key_of(node) not in whole).most_common())


def _compared(squares: Squares, card: ModelCard) -> Iterator[npt.NDArray[np.float32]]:
    """Some of the calibration pictures, or seeded noise when there are none."""
    if squares.pictures:
        return (batch for _, batch in squares.some(COMPARED).walk("comparing"))
    random = np.random.default_rng(0)
    return (random.random((1, 3, card.height, card.width), np.float32) for _ in range(COMPARED))


def _check_contract(source: Path, model: ModelProto, card: ModelCard) -> None:
    """Raise MineHatError unless input and outputs are as the card and the graph's contract say."""
    names = {value.name for value in model.graph.output}
    if names != {"boxes", "scores"}:
        raise MineHatError(f"{source} gives {', '.join(sorted(names))}; wanted boxes and scores, decoded inside "
                           "the graph, as `export/to_onnx.py` writes them.")
    shape = model.graph.input[0].type.tensor_type.shape.dim
    found = [dim.dim_value for dim in shape[1:]]
    if found != [3, card.height, card.width] or model.graph.input[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise MineHatError(f"{source} wants input [N, {', '.join(map(str, found))}], its card says "
                           f"float32 [N, 3, {card.height}, {card.width}]. Give the card that belongs to it: `--card`.")
    if card.precision != "fp32":
        raise MineHatError(f"{source} is {card.precision} by its card. Give the FP32 model.")


def _write_metadata(model: ModelProto, wish: Wish, squares: Squares, card: ModelCard) -> None:
    kept = {entry.key: entry.value for entry in model.metadata_props} | {KEY: card.to_json()}
    if wish.needs_ranges:
        facts: dict[str, Any] = {"images": len(squares.digests), "images_sha256": squares.sha256,
                                 "method": wish.clipping.method, "form": wish.form}
        if wish.clipping.method == "percentile":
            facts["percentile"] = wish.clipping.percentile
        kept[CALIBRATION] = json.dumps(facts, sort_keys=True)
    helper.set_model_props(model, kept)
