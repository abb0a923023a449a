"""What runs the network. Every backend answers alike; a detector holds one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from ..card import ModelCard
from ..errors import MineHatError

CHOICES = ("auto", "ort", "openvino")
ENGINES = frozenset({".engine", ".plan", ".trt"})


class Backend(Protocol):
    """A loaded model. Belongs to one thread at a time."""

    name: str  # "ort", "openvino"

    def infer(self, batch: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """float32 [N, 3, H, W] -> boxes float32 [N, B, 4] x0 y0 x1 y1 in square pixels, scores [N, B, C].

        Raises MineHatError for scores that are not finite: NaN would look like a frame without anybody.
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
        raise MineHatError(f"{path} is an engine, and only ONNX files run here. "
                           "Give the .onnx that it was built from.")
    if path.suffix.lower() != ".onnx":
        raise MineHatError(f"{path} is no model that can be run here. Give an .onnx file.")
    if choice == "openvino":
        from .openvino import OpenVinoBackend
        return OpenVinoBackend
    from .ort import OrtBackend
    return OrtBackend
