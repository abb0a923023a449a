"""OpenVINO on the CPU: our ONNX files as they are, LeakyReLU and additions taken into the integer convolutions.

For the CPU form (`helmet.int8-cpu.onnx`), which it runs a fifth faster than ONNX Runtime on nano, at the same accuracy.
The TensorRT form runs faster still, but lost 1.8 points of mAP50 and 2.2 of bare heads there on an earlier
`helmet-nano`: the gate of calib/quantize.py examines files in ONNX Runtime and says nothing of OpenVINO.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..answers import check_answer, check_no_plugin
from ..card import ModelCard
from ..errors import MineHatError, missing
from . import BATCHES
from .ort import cores

Array = npt.NDArray[Any]


class OpenVinoBackend:
    """An ONNX file (or OpenVINO's own .xml) compiled by OpenVINO.

    threads: default as many as cores are ours. rest: in what is worked out what is not integer; decode in BF16,
    which OpenVINO would choose where the CPU has it, moves boxes.
    """

    name = "openvino"

    def __init__(self, path: Path, card: ModelCard, threads: int | None = None, rest: str = "f32") -> None:
        openvino = _load_openvino()
        self._path, self._card = path, card
        check_no_plugin(card, path, "OpenVINO")
        self._settings = {"INFERENCE_NUM_THREADS": threads or cores(), "NUM_STREAMS": 1,
                          "INFERENCE_PRECISION_HINT": rest}
        try:
            self._core = openvino.Core()
            self._model = self._core.read_model(str(path))
            count = self._model.input(0).partial_shape[0]
            self.batches = (count.get_length(), count.get_length()) if count.is_static else BATCHES
            self._compile(batch=self.batches[0])
        except Exception as exc:  # RuntimeError and its like, whose text ends in what went wrong
            reason = (str(exc).strip().splitlines() or [type(exc).__name__])[-1]
            raise MineHatError(f"{path} cannot be loaded by OpenVINO ({reason}). Try `--backend ort`, or export "
                               "it again.") from exc
        if (taken := self._model.input(0).element_type.to_dtype()) != card.input_dtype:  # it would be cast in silence
            raise MineHatError(f"{path} takes {taken}, its card says {card.input_dtype}. Give the card that belongs to "
                               "it with --card.")

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """[N, 3, H, W] of the card's input type -> the network's answer, as minehat.answers tells it: boxes, scores ...

        The answer is OpenVINO's own memory: the next call writes over it. Another N than the last time's compiles the
        network anew. Raises MineHatError where the answer has another shape than the card says, or is not finite.
        """
        if len(batch) != self._batch:
            self._compile(len(batch))
        self._request.infer([batch], share_inputs=True)
        answer = tuple(self._request.get_tensor(output).data for output in self._outputs)
        check_answer(answer, self._card, self._path)
        return answer

    def close(self) -> None:
        """Let go of the model and its memory."""
        self._request: Any = None
        self._model = self._core = None

    def _compile(self, batch: int) -> None:
        """For a batch of that size: fixed shapes run faster."""
        self._model.reshape([batch, 3, self._card.height, self._card.width])
        compiled = self._core.compile_model(self._model, "CPU", self._settings)
        self._outputs = [compiled.output(name) for name in self._card.outputs]
        self._request = compiled.create_infer_request()
        self._batch = batch


def _load_openvino() -> Any:
    try:
        return importlib.import_module("openvino")  # it has no stubs, and mypy may not find it at all
    except ModuleNotFoundError as exc:
        raise missing("OpenVINO", "run models by --backend openvino", "`pip install openvino`.") from exc
