"""Frame -> square -> boxes -> detections: the whole way for one frame, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .answers import check_asked, found_in, is_crowded
from .backends import Backend, loader_for
from .card import ModelCard, read_card
from .detections import Detections, suppress
from .errors import MineHatError
from .guests import load_cv2
from .letterbox import Placement, Planes
from .progress import say

Array = npt.NDArray[Any]


def open_detector(model: str | Path, card: str | Path | ModelCard | None = None, backend: str = "auto",
                  conf: float | None = None, iou: float | None = None,
                  threads: int | None = None) -> Detector:
    """Open a model file: `with minehat.open("helmet-nano.onnx") as detector: found = detector(frame)`.

    card: a card, or its file, for a model that carries none. conf, iou: 0 to 1, the card's otherwise.
    threads: as many as cores are ours. Raises MineHatError where the model cannot be used.
    """
    path = Path(model)
    if not path.is_file():
        raise MineHatError(f"{path}: no such model file.")
    load = loader_for(backend, path)
    load_cv2("resize frames")  # absent or slow to start, better now than at the first frame
    if not isinstance(card, ModelCard):
        card = read_card(path if card is None else card)
    conf, iou = card.conf if conf is None else conf, card.iou if iou is None else iou
    for name, threshold in (("conf", conf), ("iou", iou)):
        if not 0 <= threshold <= 1:
            raise MineHatError(f"{name} must lie in 0..1, found {threshold}.")
    check_asked(card, path, conf, iou)
    return Detector(card, load(path, card, threads), conf, iou)


def seen_in_frame(boxes: Array, scores: Array, placement: Placement, conf: float, iou: float) -> Detections:
    """The network's answer for one square, suppressed, in pixels of the frame and clipped to it.

    boxes: [B, 4] x0 y0 x1 y1 in square pixels. scores: [B, C], 0 to 1. Boxes that lie wholly in the
    letterbox's bands are dropped.
    """
    return in_frame(suppress(boxes, scores, conf, iou), placement)


def in_frame(found: Detections, placement: Placement) -> Detections:
    """What was found in a square, in pixels of its frame and clipped to it; less what lies in the bands."""
    moved = Detections(placement.to_frame(found.boxes), found.scores, found.labels)
    clipped = moved.clipped(placement.frame_height, placement.frame_width)
    return clipped[(clipped.boxes[:, 2:] > clipped.boxes[:, :2]).all(axis=1)]


class Detector:
    """A model that is open, and how it is asked. A context manager; belongs to one thread at a time."""

    def __init__(self, card: ModelCard, backend: Backend, conf: float, iou: float) -> None:
        self.card, self.backend, self.conf, self.iou = card, backend, conf, iou
        self._told_of_crowds = False
        self._planes = Planes(card)

    def __call__(self, frame: Array) -> Detections:
        """uint8 [h, w, 3] BGR frame -> what is seen in it, in pixels of the frame, clipped to it."""
        batch, placement = self.prepare(frame)
        return self.finish([column[0] for column in self.backend.infer(batch)], placement)

    def prepare(self, frame: Array) -> tuple[Array, Placement]:
        """uint8 [h, w, 3] BGR frame -> ([1, 3, H, W] batch as the card wants it, the frame's place in its square).

        The batch is this detector's own memory: the next call writes over it.
        """
        placement = self._planes.put(frame)
        return self._planes.batch, placement

    def finish(self, answer: Sequence[Array], placement: Placement) -> Detections:
        """One picture's row of each array that the backend gave -> detections in pixels of the frame, clipped.

        Says once, on stderr, where a picture had more boxes than the graph lets through.
        """
        if not self._told_of_crowds and is_crowded(answer, self.card, self.conf):
            self._told_of_crowds = True
            say(f"{self.card.name}: a picture had {self.card.candidates} boxes over {self.conf:g}, all that its graph "
                "lets through; weaker ones may lack. Make it with more --candidates, or give a higher --conf.")
        return in_frame(found_in(answer, self.card, self.conf, self.iou), placement)

    def close(self) -> None:
        """Let go of the model."""
        self.backend.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
