"""ONNX Runtime: FP32, FP16, INT8 and INT8-CPU files alike on the CPU, and all but the last on a GPU (unverified)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..answers import OPEN, check_answer, check_no_plugin
from ..card import ModelCard
from ..decoding import channels_of
from ..errors import MineHatError
from ..guests import load_onnxruntime
from . import BATCHES
from .ort_session import open_session

Array = npt.NDArray[Any]
_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int64": "tensor(int64)", "bool": "tensor(bool)"}


class OrtBackend:
    """An ONNX file in an ONNX Runtime session, with memory for its answers that is used again.

    threads: default as many as cores are ours. name: ort, ort-cuda or ort-tensorrt; a GPU is never left for the CPU.
    """

    def __init__(self, path: Path, card: ModelCard, threads: int | None = None, name: str = "ort") -> None:
        self.name, self._path, self._card = name, path, card
        check_no_plugin(card, path, "ONNX Runtime")
        self._session = open_session(path, card, threads or cores(), name)
        self._input = _checked_input(self._session, path, card)
        self._outputs = _checked_outputs(self._session, path, card)
        self.batches = _batches(self._session)
        self._value = load_onnxruntime("run .onnx models").OrtValue.ortvalue_from_numpy
        self._binding = self._session.io_binding()
        self._arrays: list[Array] = []  # of the largest batch so far; an answer is their first rows
        self._bound: tuple[Array, ...] = ()

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """[N, 3, H, W] of the card's input type -> the network's answer, as minehat.answers tells it: boxes, scores ...

        The answer is this backend's own memory: the next call writes over it. Raises MineHatError where it has another
        shape than the card says, or is not finite.
        """
        if self._session is None:
            raise ValueError("this OrtBackend is closed")
        batch = np.ascontiguousarray(batch)
        self._binding.bind_ortvalue_input(self._input, self._value(batch))
        answer = self._answer_for(len(batch))
        self._session.run_with_iobinding(self._binding)
        if not answer:
            answer = tuple(self._binding.copy_outputs_to_cpu())
        check_answer(answer, self._card, self._path)
        return answer

    def close(self) -> None:
        """Let go of the session and its memory."""
        self._session = self._binding = None
        self._arrays, self._bound = [], ()

    def _answer_for(self, count: int) -> tuple[Array, ...]:
        """What the next run writes to; () where the graph does not tell its sides, and ONNX Runtime finds memory."""
        if any(not isinstance(side, int) for node in self._outputs for side in node.shape[1:]):
            for node in self._outputs:
                self._binding.bind_output(node.name, "cpu")
            return ()
        if not self._bound or len(self._bound[0]) != count:
            self._bind(count)
        return self._bound

    def _bind(self, count: int) -> None:
        if not self._arrays or len(self._arrays[0]) < count:
            self._arrays = [np.empty((count, *node.shape[1:]), _dtype(node)) for node in self._outputs]
        self._bound = tuple(array[:count] for array in self._arrays)
        for node, array in zip(self._outputs, self._bound, strict=True):
            self._binding.bind_ortvalue_output(node.name, self._value(array))


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _checked_input(session: Any, path: Path, card: ModelCard) -> str:
    inputs = session.get_inputs()
    wanted = [3, card.height, card.width]
    fits = len(inputs) == 1 and inputs[0].type == _TYPES[card.input_dtype] and _may_be(inputs[0].shape[1:], wanted)
    if not fits:
        raise MineHatError(f"{path} takes {_told(inputs)}; wanted one input {card.input_dtype} [N, 3, {card.height}, "
                           f"{card.width}], as its card says. Export it again or give the right `--card`.")
    return str(inputs[0].name)


def _batches(session: Any) -> tuple[int, int]:
    """Fewest and most pictures at once: the graph's own number, where it has one."""
    count = session.get_inputs()[0].shape[0]
    return (count, count) if isinstance(count, int) else BATCHES


def _checked_outputs(session: Any, path: Path, card: ModelCard) -> list[Any]:
    """Name, type and shape of each output, in the order of the card's."""
    outputs = {node.name: node for node in session.get_outputs()}
    for name, (kind, shape) in zip(card.outputs, _contract(card), strict=True):
        node = outputs.get(name)
        if node is None or node.type != _TYPES[kind] or not _may_be(node.shape[1:], shape):
            raise MineHatError(f"{path} gives {_told(session.get_outputs())}; wanted {name} {kind} "
                               f"[{', '.join(map(str, ['N', *shape]))}], as its card says. "
                               "Export it again or give the right `--card`.")
    return [outputs[name] for name in card.outputs]


def _contract(card: ModelCard) -> list[tuple[str, list[Any]]]:
    """Type and sides behind the batch of each output."""
    if card.decode == "outside":
        return [("float32", [channels_of(card), "h", "w"])] * len(card.outputs)
    if card.suppression in OPEN:
        return [("float32", ["B", 4]), ("float32", ["B", len(card.classes)])]
    rows: list[tuple[str, list[Any]]] = [("float32", ["K", 4]), ("float32", ["K"]), ("int64", ["K"]), ("int64", []),
                                         ("bool", [])]
    return rows[:len(card.outputs)]


def _may_be(found: list[Any], wanted: list[Any]) -> bool:
    """Whether the sides agree wherever both are numbers."""
    return len(found) == len(wanted) and all(
        a == b for a, b in zip(found, wanted, strict=True) if isinstance(a, int) and isinstance(b, int))


def _dtype(node: Any) -> str:
    return next(dtype for dtype, kind in _TYPES.items() if kind == node.type)


def _told(nodes: list[Any]) -> str:
    return ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes) or "nothing"
