"""What runs the network. Every backend answers alike; a detector holds one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from ..card import ModelCard
from ..errors import MineHatError

CHOICES = ("auto", "ort", "openvino", "ort-cuda", "ort-tensorrt", "tensorrt")
BATCHES = (1, 16)  # fewest and most pictures that go through the network at once, where nothing sets a limit
ENGINES = frozenset({".engine", ".plan", ".trt"})


class Backend(Protocol):
    """A loaded model. Belongs to one thread at a time.

    It may also have `batches`, fewest and most pictures that it takes at once (BATCHES otherwise), and
    `see(frames, conf, iou) -> (answer, placements)`, which letterboxes on the device and takes the place of `infer`;
    the answer may lack what these thresholds drop. With `see` it may have `stage(frames, lane)`, which brings frames to
    the device for `see` while that is at work for others, and `lane()`, memory for it.
    """

    name: str  # one of CHOICES

    def infer(self, batch: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        """[N, 3, H, W] of the card's input type -> the network's answer, as minehat.answers tells it: boxes, scores ...

        The answer may lie in memory that the next call writes over: copy what is kept. Raises MineHatError for scores
        that are not finite: NaN would look like a frame without anybody.
        """

    def close(self) -> None:
        """Let go of the model."""


Loader = Callable[[Path, ModelCard, "int | None"], Backend]


def loader_for(choice: str, path: Path) -> Loader:
    """What opens `path` as the backend that `choice` names; auto takes the one that fits the file.

    Called as loader(path, card, threads). Raises MineHatError where no backend fits.
    """
    if choice not in CHOICES:
        raise MineHatError(f"There is no backend {choice!r}. Choose one of {', '.join(CHOICES)}.")
    if path.suffix.lower() in ENGINES:
        if choice not in ("auto", "tensorrt"):
            raise MineHatError(f"{path} is an engine, and only --backend tensorrt runs it. Leave --backend away, or "
                               "give the .onnx file that it was built from.")
        from .tensorrt import TensorRtBackend
        return TensorRtBackend
    if path.suffix.lower() != ".onnx":
        raise MineHatError(f"{path} is no model that can be run here. Give an .onnx file, or an engine made of one.")
    if choice == "tensorrt":
        raise MineHatError(f"{path} is no engine, and --backend tensorrt runs nothing else. Build one: "
                           f"`minehat build {path}`")
    if choice == "openvino":
        from .openvino import OpenVinoBackend
        return OpenVinoBackend
    from .ort import OrtBackend
    return partial(OrtBackend, name="ort" if choice == "auto" else choice)
