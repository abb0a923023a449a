"""Checkpoint -> ONNX: dynamo exporter, opset 19, dynamic batch, decode inside, card in the metadata.

The file is kept only when ONNX Runtime and torch give the same answers.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from minehat.card import KEY, ModelCard
from minehat.errors import MineHatError
from minehat.files import written_whole
from minehat.guests import load_onnxruntime
from minehat.letterbox import as_input, letterbox

from .network import Decoded, MineNet

OPSET = 19  # the first whose Q/DQ take FP16; TensorRT 10 parses up to 20
LARGEST_BATCH = 64
BOX_TOLERANCE, SCORE_TOLERANCE = 1e-2, 1e-4  # pixels of the square; score
LOWEST_COMPARED = 0.01  # boxes scored lower are never shown, and may lie far outside the square


@dataclass(frozen=True)
class Agreement:
    """How far ONNX Runtime's answers lie from torch's, over all boxes scored at least 0.01."""

    box: float  # pixels
    score: float
    compared: int  # boxes


def export_onnx(network: MineNet, card: ModelCard, out: str | Path,
                frames: Sequence[npt.NDArray[np.uint8]]) -> Agreement:
    """Write `out` if ONNX Runtime and torch agree on `frames` (uint8 BGR) to 1e-2 px and 1e-4 in score."""
    graph = Decoded(network).eval()
    with written_whole(out) as scratch:
        model = _exported(graph, card)
        entry = model.metadata_props.add()
        entry.key, entry.value = KEY, card.to_json()
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, scratch)
        found = compare(graph, scratch, card, frames)
        if not (found.box <= BOX_TOLERANCE and found.score <= SCORE_TOLERANCE):
            raise MineHatError(f"{out} is not written: ONNX Runtime and torch differ by {found.box:.2g} px and "
                               f"{found.score:.2g} in score, over {BOX_TOLERANCE} px and {SCORE_TOLERANCE}. "
                               "Try another torch or onnxruntime version, or report the checkpoint.")
        return found


def compare(graph: Decoded, path: Path, card: ModelCard, frames: Sequence[npt.NDArray[np.uint8]]) -> Agreement:
    """Run both on the frames, two a batch (so that the dynamic batch is tried too)."""
    onnxruntime = load_onnxruntime("check the exported model")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    box = score = 0.0
    compared = 0
    for first in range(0, len(frames), 2):
        images = np.stack([as_input(letterbox(frame, card.height, card.width, card.pad)[0], card)
                           for frame in frames[first:first + 2]])
        with torch.inference_mode():
            torch_boxes, torch_scores = (x.numpy() for x in graph(torch.from_numpy(images)))
        boxes, scores = session.run(list(card.outputs), {"images": images})
        if not all(np.isfinite(answer).all() for answer in (torch_boxes, torch_scores, boxes, scores)):
            raise MineHatError("the network's answers are not finite on the pictures compared: its weights are "
                               "broken, or it was trained too hot. Take another checkpoint.")
        seen = torch_scores.max(axis=2) >= LOWEST_COMPARED
        compared += int(seen.sum())
        box = max(box, float(np.abs(boxes - torch_boxes)[seen].max(initial=0.0)))
        score = max(score, float(np.abs(scores - torch_scores).max()))
    return Agreement(box, score, compared)


def _exported(graph: Decoded, card: ModelCard) -> Any:
    example = torch.zeros(2, 3, card.height, card.width)
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with _silenced():
        program = torch.onnx.export(graph, (example,), dynamo=True, opset_version=OPSET, input_names=["images"],
                                    output_names=list(card.outputs), dynamic_shapes=({0: batch},), verbose=False)
    model = program.model_proto
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    if opset != OPSET:
        raise MineHatError(f"the exporter gave opset {opset} where {OPSET} was wanted: take torch 2.13 "
                           "(`pip install torch==2.13.0`).")
    _without_traces(model)
    return model


def _without_traces(model: Any) -> None:
    """Drop what the exporter notes on every node: stack traces, with paths of the machine that exported."""
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output,
                 *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


@contextlib.contextmanager
def _silenced() -> Any:
    """The exporter prints its steps and warns of a missing torchvision that nothing here needs."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
