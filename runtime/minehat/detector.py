"""Frame -> square -> boxes -> detections: the whole way for one frame, for many, and for a stream of them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from .answers import check_asked, found_in, is_crowded
from .backends import BATCHES, Backend, loader_for
from .backends.ort import cores
from .card import ModelCard, read_card
from .detections import Detections, suppress
from .errors import MineHatError
from .guests import load_cv2
from .letterbox import Placement, Planes
from .progress import say
from .relay import AHEAD, Relay
from .variants import variant_for

Array = npt.NDArray[Any]


def open_detector(model: str | Path, card: str | Path | ModelCard | None = None, backend: str = "auto",
                  conf: float | None = None, iou: float | None = None, threads: int | None = None,
                  frame_size: tuple[int, int] | None = None) -> Detector:
    """Open a model file: `with minehat.open("helmet-nano.onnx") as detector: found = detector(frame)`.

    card: a card, or its file, for a model that carries none. conf, iou: 0 to 1, the card's otherwise.
    threads: as many as cores are ours. frame_size: width and height of the frames to come; where a file of the same
    model beside this one suits their shape better, and its card says that it sees as well, that one is opened. Raises
    MineHatError where the model cannot be used.

    >>> import minehat
    >>> from minehat import scenes
    >>> frame = scenes.picture(8, 640, 360).frame  # uint8 [360, 640, 3] BGR, as cv2.imread gives them
    >>> with minehat.open("models/helmet-nano/helmet-nano.int8-cpu.onnx") as detector:
    ...     found = detector(frame)
    ...     of_each = list(detector.stream([frame, frame]))
    >>> sure = found[found.scores > 0.6]
    >>> sorted(detector.card.classes[label] for label in sure.labels)
    ['head', 'head', 'head', 'helmet', 'helmet', 'helmet']
    >>> sure.boxes.shape, len(of_each)
    ((6, 4), 2)
    """
    path = Path(model)
    if not path.is_file():
        raise MineHatError(f"{path}: no such model file.")
    if frame_size:
        if card is not None:
            raise MineHatError("frame_size chooses by the models' own cards: give no card beside it.")
        path = variant_for(path, *frame_size)
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
    """A model that is open, and how it is asked. A context manager.

    Threads may share it: a call waits for those of others. `prepare` and `backend` by themselves belong to one thread.
    After `close` all calls raise ValueError.
    """

    def __init__(self, card: ModelCard, backend: Backend, conf: float, iou: float) -> None:
        self.card, self.backend, self.conf, self.iou = card, backend, conf, iou
        self._told_of_crowds = False
        batches: tuple[int, int] = getattr(backend, "batches", BATCHES)
        self._least, self._most = batches
        self._see: Any = getattr(backend, "see", None)
        self._planes = blank_planes(card, self._least)
        self._open = self._loaded = True
        self._using = threading.Lock()  # the backend and the planes
        self._relays: WeakSet[Relay[Array, Any, Any, Detections]] = WeakSet()
        self._noting = threading.Lock()  # the relays

    def __call__(self, frame: Array) -> Detections:
        """uint8 [h, w, 3] BGR frame -> what is seen in it, in pixels of the frame, clipped to it."""
        return self.batch([frame])[0]

    def batch(self, frames: Iterable[Array]) -> list[Detections]:
        """uint8 [h, w, 3] BGR frames, each of its own size -> what is seen in each, in their order.

        As many go through the network at once as the backend takes (at most 16 where any number will do).
        """
        self._check_open()
        waiting, found = iter(frames), list[Detections]()
        while some := list(itertools.islice(waiting, self._most)):
            found += self._together(some)
        return found

    def stream(self, frames: Iterable[Array]) -> Generator[Detections, None, None]:
        """As `map(detector, frames)`, with the stages side by side: while one frame is in the network, the next is
        read and letterboxed, and the caller works on what was seen in the one before.

        `frames` is read in a thread, at most two frames ahead of what was handed out, and a frame must stay as it is
        until then. What it raises, or the network, is raised here, after what was seen in all frames before. Leave it
        early as any generator (`break`, `close()`): its threads end. On a single core it is `map(detector, frames)`.
        """
        self._check_open()
        if cores() == 1 and not self._see:  # threads would cost a hundredth and win nothing
            return (self(frame) for frame in frames)
        steps = _Steps(self)
        relay = Relay(frames, steps.prepare, steps.ask, steps.finish)
        with self._noting:
            self._relays.add(relay)
        return relay.results()

    def prepare(self, frame: Array) -> tuple[Array, Placement]:
        """uint8 [h, w, 3] BGR frame -> ([1, 3, H, W] batch as the card wants it, the frame's place in its square).

        The batch is this detector's own memory: the next call writes over it. For a model that takes N pictures or
        more it is [N, 3, H, W], the frame in row 0.
        """
        self._check_open()
        placement = self._planes.put(frame)
        return self._planes.batch[:self._least], placement

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
        """Let go of the model, as soon as a call that another thread is in has ended. A second call does nothing."""
        self._open = False  # calls that wait for their turn end without it
        with self._using:
            if self._loaded:
                self._loaded = False
                self.backend.close()
        with self._noting:
            relays = tuple(self._relays)
        for relay in relays:
            relay.end(_closed())

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _together(self, frames: Sequence[Array]) -> list[Detections]:
        """What is seen in frames that go through the network at once."""
        with self._using:
            self._check_open()
            answer, placements = self._answer(frames)
            return [self.finish([column[row] for column in answer], placement)
                    for row, placement in enumerate(placements)]

    def _answer(self, frames: Sequence[Array]) -> tuple[Sequence[Array], Sequence[Placement]]:
        """Of frames that go through the network at once; rows that its batch has beyond them are idle."""
        count = max(len(frames), self._least)
        if self._see:
            answer, placements = self._see([*frames, *[frames[-1]] * (count - len(frames))], self.conf, self.iou)
            return answer, placements[:len(frames)]
        if count > len(self._planes.batch):
            self._planes = blank_planes(self.card, count)
        placements = [self._planes.put(frame, row) for row, frame in enumerate(frames)]
        return self.backend.infer(self._planes.batch[:count]), placements

    def _check_open(self) -> None:
        if not self._open:
            raise _closed()


class _Steps:
    """The steps of one stream, and memory of its own for each of a relay's slots."""

    def __init__(self, detector: Detector) -> None:
        self._detector, self._rows = detector, detector._least
        self._planes = None if detector._see else blank_planes(detector.card, AHEAD * self._rows)
        backend: Any = detector.backend
        self._stage = getattr(backend, "stage", None)
        self._lanes = [backend.lane() for _ in range(AHEAD)] if self._stage else []
        self._kept: list[list[Array]] = [[]] * AHEAD

    def prepare(self, slot: int, frame: Array) -> Any:
        """The frame's placement in the slot's planes, or what the backend wants to see."""
        if self._planes:
            return self._planes.put(frame, slot * self._rows)
        frames = [frame] * self._rows
        return self._stage(frames, self._lanes[slot]) if self._stage else frames

    def ask(self, slot: int, ready: Any) -> tuple[list[Array], Placement]:
        """The network's answer, in memory of the slot: the backend's own may serve the next frame already."""
        detector = self._detector
        with detector._using:
            detector._check_open()
            if self._planes is None:
                answer, (placement, *_) = detector._see(ready, detector.conf, detector.iou)
            else:
                first = slot * self._rows
                answer, placement = detector.backend.infer(self._planes.batch[first:first + self._rows]), ready
            return self._keep(slot, [np.asarray(column[0]) for column in answer]), placement

    def finish(self, slot: int, answered: tuple[list[Array], Placement]) -> Detections:
        return self._detector.finish(*answered)

    def _keep(self, slot: int, rows: list[Array]) -> list[Array]:
        if [row.shape for row in rows] != [kept.shape for kept in self._kept[slot]]:
            self._kept[slot] = [np.empty_like(row) for row in rows]
        for row, kept in zip(rows, self._kept[slot], strict=True):
            kept[...] = row
        return self._kept[slot]


def blank_planes(card: ModelCard, count: int) -> Planes:
    """For `count` pictures; what lies in rows that have none yet is a picture, too."""
    planes = Planes(card, count)
    planes.batch.fill(0)
    return planes


def _closed() -> ValueError:
    return ValueError("this Detector is closed")
