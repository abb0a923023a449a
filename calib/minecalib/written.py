"""A lowered model as a file: card and placement into its metadata, checked, compared with its parent, then named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from minehat.card import KEY, ModelCard
from minehat.files import written_whole
from onnx import helper

from .check import Drift, check_valid, drift
from .images import Squares
from .job import Job
from .lowering import Lowered
from .placement import KEY as PLACEMENT
from .running import session_of

CALIBRATION = "minehat.calibration"  # metadata key: how the ranges were found
COMPARED = 8  # pictures on which parent and child must agree to be finite


@dataclass(frozen=True)
class Made:
    """What was written, for the table."""

    pairs: int  # quantize nodes
    dequantizers: int
    drift: Drift
    bytes_after: int


def write_lowered(lowered: Lowered, job: Job, out: Path) -> Made:
    """Write `out`, or raise and leave nothing. It is compared on some of the pictures, or on noise without any."""
    parent, wish = job.parent, job.wish
    child = parent.card.with_(precision=wish.name, parent_sha256=parent.sha256, accuracy={})  # not the parent's
    with written_whole(out) as scratch:
        _set_metadata(lowered, job, child)
        onnx.save(lowered.model, str(scratch))
        check_valid(scratch, parent.model)
        session_of(scratch)
        found = drift(parent.model, lowered.judged, _compared(job.squares, parent.card))
        counts = Counter(node.op_type for node in lowered.model.graph.node)
        return Made(counts["QuantizeLinear"], counts["DequantizeLinear"], found, scratch.stat().st_size)


def _compared(squares: Squares, card: ModelCard) -> Iterator[npt.NDArray[np.float32]]:
    if squares.pictures:
        return (batch for _, batch in squares.some(COMPARED).walk("comparing"))
    random = np.random.default_rng(0)
    return (random.random((1, 3, card.height, card.width), np.float32) for _ in range(COMPARED))


def _set_metadata(lowered: Lowered, job: Job, card: ModelCard) -> None:
    kept = {entry.key: entry.value for entry in lowered.model.metadata_props} | {KEY: card.to_json()}
    kept.pop(PLACEMENT, None)
    if lowered.placement:
        kept[PLACEMENT] = lowered.placement.to_json()
        kept[CALIBRATION] = json.dumps(_calibration(job), sort_keys=True)
    helper.set_model_props(lowered.model, kept)


def _calibration(job: Job) -> dict[str, Any]:
    wish, squares = job.wish, job.squares
    facts: dict[str, Any] = {"images": len(squares.digests), "images_sha256": squares.sha256,
                             "method": wish.clipping.method, "form": wish.form, "bias_correction": wish.correct_bias,
                             "equalised": bool(job.seen and job.seen.greatest)}
    if wish.clipping.method == "percentile":
        facts["percentile"] = wish.clipping.percentile
    return facts
