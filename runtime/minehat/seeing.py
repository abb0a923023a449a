"""Shots shown to a model, or to the files of its family as --size says: what is seen in each, in their order."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .detections import Detections
from .detector import Detector, open_detector
from .errors import MineHatError
from .progress import say
from .sources import Shot
from .variants import variant_for, variant_of_size

Numbered = tuple[int, Shot]  # which of the sources given it is of
Seen = tuple[int, Shot, Detections]


@dataclass(frozen=True)
class Asked:
    """How `minehat detect` was asked to look."""

    model: str
    card: str | None = None  # a file, for a model that carries none
    backend: str = "auto"
    conf: float | None = None  # 0 to 1; None: the card's
    iou: float | None = None
    threads: int | None = None  # processor threads; None: all
    size: tuple[int, int] | str | None = None  # width and height of the input, or auto; None: as the model named
    batch: int = 1  # frames that go through the network at once

    def named(self) -> Path:
        """The model, or its sister of the size that was asked for. Raises MineHatError where there is none."""
        if self.size and self.card:
            raise MineHatError("--size chooses by the models' own cards: leave --card away, or --size.")
        return variant_of_size(Path(self.model), *self.size) if isinstance(self.size, tuple) else Path(self.model)


class Detectors:
    """What frames are shown to: the model that was named or, as --size says, others of its family."""

    def __init__(self, asked: Asked, opened: ExitStack) -> None:
        self._asked, self._opened = asked, opened
        self._by_path: dict[Path, Detector] = {}
        self._by_shape: dict[tuple[int, int], Detector] = {}
        self._named = asked.named()
        self.first = self._of(self._named)

    def for_frame(self, frame: npt.NDArray[Any]) -> Detector:
        """The one that suits a frame; frames of one shape have the same."""
        if self._asked.size != "auto":
            return self.first
        height, width = frame.shape[:2]
        if (height, width) not in self._by_shape:
            path = variant_for(self._named, width, height)
            say(f"{width}x{height}: {path}")
            self._by_shape[height, width] = self._of(path)
        return self._by_shape[height, width]

    def seen(self, numbered: Iterable[Numbered], ahead: bool) -> Generator[Seen, None, None]:
        """Every shot and what is seen in it. ahead: shots may be read while others are in the network."""
        for detector, those in itertools.groupby(numbered, lambda one: self.for_frame(one[1].frame)):
            if self._asked.batch > 1:
                yield from _in_batches(detector, those, self._asked.batch)
            elif ahead:
                yield from _in_a_stream(detector, those)
            else:
                for given, shot in those:
                    yield given, shot, detector(shot.frame)

    def _of(self, path: Path) -> Detector:
        if path not in self._by_path:
            asked = self._asked
            self._by_path[path] = self._opened.enter_context(
                open_detector(path, asked.card, asked.backend, asked.conf, asked.iou, asked.threads))
        return self._by_path[path]


def _in_batches(detector: Detector, those: Iterator[Numbered], batch: int) -> Iterator[Seen]:
    while some := list(itertools.islice(those, batch)):
        for (given, shot), found in zip(some, detector.batch(shot.frame for _, shot in some), strict=True):
            yield given, shot, found


def _in_a_stream(detector: Detector, those: Iterator[Numbered]) -> Iterator[Seen]:
    waiting: deque[Numbered] = deque()

    def frames() -> Iterator[npt.NDArray[Any]]:
        for one in those:
            waiting.append(one)
            yield one[1].frame

    with closing(detector.stream(frames())) as stream:
        for found in stream:
            yield *waiting.popleft(), found
