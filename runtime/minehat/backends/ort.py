"""ONNX Runtime on the CPU: FP32, FP16, INT8 and INT8-CPU files alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import ModelCard
from ..errors import MineHatError, missing

Array = npt.NDArray[Any]


class OrtBackend:
    """An ONNX file in an ONNX Runtime session. `threads`: default as many as cores are ours."""

    name = "ort"

    def __init__(self, path: Path, card: ModelCard, threads: int | None = None) -> None:
        self._path, self._card = path, card
        self._session = _session(path, threads or cores(), card.precision)
        self._input = _checked_input(self._session, path, card)
        self._outputs = _checked_outputs(self._session, path, card)

    def infer(self, batch: Array) -> tuple[Array, Array]:
        """float32 [N, 3, H, W] -> boxes float32 [N, B, 4] x0 y0 x1 y1 in square pixels, scores [N, B, C].

        Raises MineHatError where the model's answers have another shape or are not finite.
        """
        boxes, scores = self._session.run(self._outputs, {self._input: batch})
        if boxes.shape != (*scores.shape[:2], 4) or scores.shape[-1] != len(self._card.classes):
            raise MineHatError(f"{self._path} gave boxes {boxes.shape} and scores {scores.shape}; wanted "
                               f"[N, B, 4] and [N, B, {len(self._card.classes)}]. Its card does not fit it.")
        if not np.isfinite(scores).all() or (boxes.size and not np.isfinite(boxes[..., 0]).any()):
            raise MineHatError(f"{self._path} gave answers that are not finite, and would see nothing: the file is "
                               "broken, or it overflows in FP16. Export it again, or use its FP32 form.")
        return boxes, scores

    def close(self) -> None:
        """Let go of the session and its memory."""
        self._session = None


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(path: Path, threads: int, precision: str) -> Any:
    ort = _load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # what goes wrong is raised as well; its log would be a second voice
    # Threads that spin while they wait cost a third of the wall time on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if precision == "int8+fp16":  # made for TensorRT; some kernels that pairs become here take no FP16 scales
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # its own kinds, one for each status, share no base of their own
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise MineHatError(f"{path} cannot be loaded by ONNX Runtime {ort.__version__} ({reason}).") from exc


def _checked_input(session: Any, path: Path, card: ModelCard) -> str:
    inputs = session.get_inputs()
    wanted = [3, card.height, card.width]
    fits = len(inputs) == 1 and inputs[0].type == "tensor(float)" and _may_be(inputs[0].shape[1:], wanted)
    if not fits:
        raise MineHatError(f"{path} takes {_told(inputs)}; wanted one input float32 [N, 3, {card.height}, "
                           f"{card.width}], as its card says. Export it again or give the right `--card`.")
    return str(inputs[0].name)


def _checked_outputs(session: Any, path: Path, card: ModelCard) -> list[str]:
    outputs = {node.name: node for node in session.get_outputs()}
    wanted = {card.outputs[0]: ["B", 4], card.outputs[1]: ["B", len(card.classes)]}
    for name, shape in wanted.items():
        node = outputs.get(name)
        if node is None or node.type != "tensor(float)" or not _may_be(node.shape[1:], shape):
            raise MineHatError(f"{path} gives {_told(session.get_outputs())}; wanted {name} float32 "
                               f"[N, {', '.join(map(str, shape))}], as its card says. "
                               "Export it again or give the right `--card`.")
    return list(wanted)


def _may_be(found: list[Any], wanted: list[Any]) -> bool:
    """Whether the sides agree wherever both are numbers."""
    return len(found) == len(wanted) and all(
        a == b for a, b in zip(found, wanted, strict=True) if isinstance(a, int) and isinstance(b, int))


def _told(nodes: list[Any]) -> str:
    return ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes) or "nothing"


def _load_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as exc:
        raise missing("ONNX Runtime", "run .onnx models", "`pip install 'minehat[cpu]'`.") from exc
    return onnxruntime
