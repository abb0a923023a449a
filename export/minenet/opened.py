"""A model of any form, opened to be scored: a checkpoint by torch, exported files as the runtime opens them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import minehat
import torch
from minehat.backends import ENGINES
from minehat.card import ModelCard
from minehat.detections import Detections
from minehat.errors import MineHatError
from minehat.labels import Labelled
from minehat.progress import bar

from .checkpoint import load_checkpoint
from .devices import usable
from .evaluation import LOWEST_SCORE, detections_of

Look = Callable[[Sequence[Labelled]], list[Detections]]


@contextmanager
def opened(model: Path, device: str | None = None, bf16: bool = False,
           threads: int | None = None) -> Iterator[tuple[ModelCard, Look]]:
    """The model's card, and what finds everything of score 0.001 and more in labelled pictures.

    device (a GPU where there is one) and bf16 are for checkpoints. Raises MineHatError where the model cannot be used.
    """
    if model.suffix.lower() in {".onnx", *ENGINES}:
        if device or bf16:
            raise MineHatError(f"--device and --bf16 are for checkpoints; {model} runs as the runtime would run it.")
        with minehat.open(model, conf=LOWEST_SCORE, threads=threads) as detector:
            yield detector.card, lambda pictures: [detector(one.read()) for one in bar(pictures, label="scoring")]
        return
    if threads:
        torch.set_num_threads(threads)
    device = usable(device)
    network, card, _ = load_checkpoint(model, device)
    yield card, lambda pictures: detections_of(network, pictures, card, device, bf16)
