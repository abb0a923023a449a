"""From an FP32 model to one of lower precision, in memory: ranges, pairs, FP16."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt
from minehat.errors import MineHatError
from onnx import ModelProto

from .forms import cpu_form, tensorrt_form
from .forms.fp16 import check_halves, to_fp16
from .graph import Wiring, key_of
from .parent import Parent
from .placement import Placement
from .ranges import Clipping, Histogram, Seen, symmetric, two_sided
from .running import rounds_halves
from .weights.objects import Objects, move_biases

Array = npt.NDArray[Any]
PRECISIONS = ("fp16", "int8", "int8+fp16")
FORMS = {"tensorrt": tensorrt_form, "cpu": cpu_form}
BY_THE_GATE = "lifted: INT8 costs accuracy there"
OTHERWISE = "little arithmetic between others in float"


@dataclass(frozen=True)
class Wish:
    """What is wanted of the new file."""

    precision: str = "int8"  # one of PRECISIONS
    form: str = "tensorrt"  # one of FORMS; FP16 is for TensorRT alone
    clipping: Clipping = field(default_factory=Clipping)
    attention: bool = False  # TensorRT's form: round the inputs of attention's products too
    correct_bias: bool = True
    equalise: bool = False  # channels between convolutions brought to one size beforehand

    def __post_init__(self) -> None:
        if self.form == "cpu" and self.precision != "int8":
            raise MineHatError(f"--form cpu with --precision {self.precision}: CPUs have no FP16 arithmetic that pays. "
                               "Give `--precision int8`, or `--form tensorrt`.")

    @property
    def is_int8(self) -> bool:
        return self.precision != "fp16"

    @property
    def name(self) -> str:
        """As the card calls it."""
        return "int8-cpu" if self.form == "cpu" else self.precision


@dataclass(frozen=True)
class Lowered:
    """A model of lower precision, not yet a file."""

    model: ModelProto
    judged: ModelProto  # the same, before the FP16 pass where this ONNX Runtime gets that wrong
    placement: Placement | None  # of its pairs, where it is INT8
    casts: int
    floats: tuple[tuple[str, int, str], ...]  # operation of the body, how many of it stay in float, why
    decode: int  # nodes, all FP32


def lower(parent: Parent, wish: Wish, seen: Seen | None, lifted: Collection[str] = (),
          objects: Objects | None = None) -> Lowered:
    """The parent as `wish` says, the layers named in `lifted` not in INT8.

    seen: of the calibration pictures; None for plain FP16 without any, and for a parent that was fine-tuned. objects:
    whose scores the last biases shall keep. Raises MineHatError where FP16 cannot hold a weight or an activation.
    """
    wiring = parent.wiring()
    placement = None
    floats: tuple[tuple[str, int, str], ...] = ()
    if wish.is_int8:
        placement = _placed(parent, wiring, wish, seen, lifted)
        if seen and seen.greatest:
            placement = replace(placement, equalised=True)
        floats = _left_in_float(wiring, wish, placement)
        means = seen.means if seen and wish.correct_bias and not parent.fine_tuned_for else {}
        FORMS[wish.form].write(wiring, placement, means)
        wiring.finish()
        if objects:
            move_biases(wiring, objects.shifts(wiring.model))
    judged = _copy(wiring.model)
    casts = _to_fp16(wiring, seen) if "fp16" in wish.precision else 0
    if not wish.is_int8 or rounds_halves():
        judged = wiring.model
    return Lowered(wiring.model, judged, placement, casts, floats, len(wiring.decode))


def _placed(parent: Parent, wiring: Wiring, wish: Wish, seen: Seen | None, lifted: Collection[str]) -> Placement:
    form = FORMS[wish.form]
    if parent.fine_tuned_for:
        return _fine_tuned(parent.fine_tuned_for, wiring, wish, lifted)
    assert seen is not None
    return form.plan(wiring, ranges_of(seen, wish, parent), lifted, wish.attention)


def _fine_tuned(found: Placement, wiring: Wiring, wish: Wish, lifted: Collection[str]) -> Placement:
    """The placement that the weights were fine-tuned for, but for the layers that are lifted now."""
    if found.form != wish.form:
        raise MineHatError(f"the model was fine-tuned for `--form {found.form}`. Give that.")
    ranges: dict[str, tuple[float, float]] = {}
    for pair in found.pairs:  # of a tensor that is read alone and in a join, the first counts
        if pair.tensor not in ranges or wiring.producers[pair.readers[0]].op_type != "Concat":
            ranges[pair.tensor] = (pair.low, pair.high)
    return FORMS[wish.form].plan(wiring, ranges, sorted({*found.lifted, *lifted}), wish.attention)


def ranges_of(seen: Seen, wish: Wish, parent: Parent) -> Mapping[str, tuple[float, float]]:
    """Of every activation the range (least, greatest) that INT8 shall hold. The input's is not measured: pixels are
    0..255."""
    card = parent.card
    ends = [(pixel - mean) * scale for pixel in (0, 255) for mean, scale in zip(card.mean, card.scale, strict=True)]
    found = {name: _clipped(histogram, wish) for name, histogram in seen.histograms.items()}
    return found | {parent.wiring().input: (min(*ends, 0.0), max(*ends, 0.0))}


def _clipped(histogram: Histogram, wish: Wish) -> tuple[float, float]:
    if wish.form == "cpu":
        return two_sided(histogram, wish.clipping)
    magnitude = symmetric(histogram, wish.clipping)
    return -magnitude, magnitude


def _to_fp16(wiring: Wiring, seen: Seen | None) -> int:
    if seen:
        check_halves(seen.histograms)
    return to_fp16(wiring)


def _left_in_float(wiring: Wiring, wish: Wish, placement: Placement) -> tuple[tuple[str, int, str], ...]:
    """Operations of the body that no integer kernel takes, most frequent first, with the reason."""
    form = FORMS[wish.form]
    whole = {key_of(node) for node in form.integer_nodes(wiring, placement)}
    floats = Counter(node.op_type for node in wiring.body if key_of(node) not in whole)
    reasons = {**form.LEFT_IN_FLOAT, **({"Conv": BY_THE_GATE} if placement.lifted else {})}
    return tuple((kind, count, reasons.get(kind, OTHERWISE)) for kind, count in floats.most_common())


def _copy(model: ModelProto) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    return copy
