"""ONNX Runtime on the CPU: FP32, FP16, INT8 and INT8-CPU files alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..answers import OPEN, check_answer, check_no_plugin
from ..card import ModelCard
from ..errors import MineHatError, missing
from . import BATCHES

Array = npt.NDArray[Any]


class OrtBackend:
    """An ONNX file in an ONNX Runtime session. `threads`: default as many as cores are ours."""

    name = "ort"

    def __init__(self, path: Path, card: ModelCard, threads: int | None = None) -> None:
        self._path, self._card = path, card
        check_no_plugin(card, path, "ONNX Runtime")
        self._session = _session(path, threads or cores(), card.precision)
        self._input = _checked_input(self._session, path, card)
        self.batches = _batches(self._session)
        self._outputs = _checked_outputs(self._session, path, card)

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """float32 [N, 3, H, W] -> the network's answer, as minehat.answers tells it: boxes, scores, ...

        Raises MineHatError where it has another shape than the card says, or is not finite.
        """
        answer = tuple(self._session.run(self._outputs, {self._input: batch}))
        check_answer(answer, self._card, self._path)
        return answer

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


def _batches(session: Any) -> tuple[int, int]:
    """Fewest and most pictures at once: the graph's own number, where it has one."""
    count = session.get_inputs()[0].shape[0]
    return (count, count) if isinstance(count, int) else BATCHES


def _checked_outputs(session: Any, path: Path, card: ModelCard) -> list[str]:
    outputs = {node.name: node for node in session.get_outputs()}
    for name, (kind, shape) in zip(card.outputs, _contract(card), strict=True):
        node = outputs.get(name)
        if node is None or node.type != f"tensor({kind.removesuffix('32')})" or not _may_be(node.shape[1:], shape):
            raise MineHatError(f"{path} gives {_told(session.get_outputs())}; wanted {name} {kind} "
                               f"[{', '.join(map(str, ['N', *shape]))}], as its card says. "
                               "Export it again or give the right `--card`.")
    return list(card.outputs)


def _contract(card: ModelCard) -> list[tuple[str, list[Any]]]:
    """Type and sides behind the batch of each output."""
    if card.suppression in OPEN:
        return [("float32", ["B", 4]), ("float32", ["B", len(card.classes)])]
    rows: list[tuple[str, list[Any]]] = [("float32", ["K", 4]), ("float32", ["K"]), ("int64", ["K"]), ("int64", []),
                                         ("bool", [])]
    return rows[:len(card.outputs)]


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
