"""What is checked before a file is believed: valid ONNX, an answer like the parent's, integer convolutions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from minehat.errors import MineHatError
from onnx import ModelProto

from .running import load_onnxruntime, session_of, session_options

BEST = 100  # rows of a picture whose boxes are compared; the others are nowhere
INTEGER = ("QLinearConv", "ConvInteger")
FLOAT = ("Conv", "FusedConv")


@dataclass(frozen=True)
class Drift:
    """How far a model's answers are from its parent's, over some pictures."""

    boxes: float  # mean |difference| in pixels of the square, over each picture's best rows
    scores: float  # mean |difference| over the same rows
    sqnr: float  # of all scores, dB; infinite when equal
    pictures: int


def integer_convolutions(path: str | Path) -> tuple[list[str], list[str]]:
    """Names of the convolutions that ONNX Runtime runs on integers on the CPU, and of those left in float."""
    runtime = load_onnxruntime()
    with tempfile.TemporaryDirectory() as folder:
        options = session_options()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        session_of(path, options)
        nodes = onnx.load(options.optimized_model_filepath).graph.node
    return ([node.name for node in nodes if node.op_type in INTEGER],
            [node.name for node in nodes if node.op_type in FLOAT])


def check_valid(path: str | Path, parent: ModelProto) -> None:
    """Assert that the file is valid ONNX with the parent's inputs and outputs; a failure is our bug."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    for ours, theirs in ((model.graph.input, parent.graph.input), (model.graph.output, parent.graph.output)):
        if [_signature(value) for value in ours] != [_signature(value) for value in theirs]:
            raise AssertionError("inputs or outputs changed their names or types on the way")


def drift(parent: ModelProto | Path, child: ModelProto | Path, batches: Iterable[npt.NDArray[np.float32]]) -> Drift:
    """Run both models on the batches (float32 [1, 3, H, W]). Raises MineHatError for answers that are not finite."""
    parent_session, child_session = session_of(parent), session_of(child)
    boxes, scores, signal, noise = [], [], 0.0, 0.0
    for batch in batches:
        (old_boxes, old_scores), (new_boxes, new_scores) = (_answer(session, batch)
                                                            for session in (parent_session, child_session))
        rows = np.argsort(-old_scores.max(axis=1), kind="stable")[:BEST]
        boxes.append(np.abs(new_boxes[rows] - old_boxes[rows]).mean())
        scores.append(np.abs(new_scores[rows] - old_scores[rows]).mean())
        signal += float((old_scores**2).sum())
        noise += float(((new_scores - old_scores) ** 2).sum())
    if not boxes:
        raise MineHatError("none of the pictures could be read, so the new file cannot be compared with its parent.")
    sqnr = 10 * np.log10(signal / noise) if noise else np.inf
    return Drift(float(np.mean(boxes)), float(np.mean(scores)), float(sqnr), len(boxes))


def _answer(session: Any, batch: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Boxes [B, 4] and scores [B, C] of one picture, float64."""
    boxes, scores = session.run(["boxes", "scores"], {session.get_inputs()[0].name: batch})
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise MineHatError("the answer is not finite on a calibration picture: this precision overflows on this "
                           "model. Choose another `--precision`, or train with weight decay.")
    return boxes[0].astype(np.float64), scores[0].astype(np.float64)


def _signature(value: onnx.ValueInfoProto) -> tuple[str, int]:
    return value.name, value.type.tensor_type.elem_type
