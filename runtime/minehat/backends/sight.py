"""Frames -> answers with everything on the GPU: letterbox, network, suppression, in one CUDA graph where that goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import finalize

import numpy as np
import numpy.typing as npt

from ..answers import OPEN
from ..card import ModelCard
from ..cuda import Device, Event, Nv12, cuda_array_of
from ..cuda.letterbox import CudaLetterbox
from ..cuda.lying import Lying, frame_sides, merged
from ..cuda.noted import Noted
from ..cuda.staging import Staging, picture_of
from ..cuda.suppression import CudaSuppression
from ..letterbox import Placement, check_frame, place
from .loaded_engine import LoadedEngine

Array = npt.NDArray[Any]


@dataclass(eq=False)
class Lane:
    """Memory that frames go to the GPU through, one batch at a time; used again by another when nobody holds it."""

    staging: Staging
    arrived: Event


@dataclass(frozen=True)
class Staged:
    """Frames that are in the GPU's reach, or will be when the lane's `arrived` has been come to."""

    lying: tuple[Lying, ...]
    placements: list[Placement]
    lane: Lane
    frames: Sequence[Any] = field(repr=False)  # kept alive: some lie in memory of their own on the GPU


class Sight:
    """What turns frames into answers of a loaded engine. Unverified on a GPU.

    tell: hears in a sentence what cannot be had. graphs: False puts each piece of the work on the stream by itself.
    """

    def __init__(self, engine: LoadedEngine, card: ModelCard, device: Device, tell: Callable[[str], object],
                 graphs: bool = True) -> None:
        self._engine, self._card, self._device = engine, card, device
        self._letterbox = CudaLetterbox(device, card)
        self._suppression: CudaSuppression | None = None
        if card.suppression in OPEN and not card.candidates and card.decode == "inside":
            boxes, scores = engine.outputs
            self._suppression = CudaSuppression(device, engine.most, boxes.row[0], scores.row[1])
            self._kept = device.pinned(self._suppression.answer_bytes(engine.most))
        self._copies = device.stream()
        self._idle: list[tuple[Staging, Event]] = []
        self._noted = Noted(device, engine.stream, tell, graphs)
        self.alone = self.lane()  # of frames that nobody staged ahead

    def lane(self) -> Lane:
        """A lane that nobody else has."""
        memory = self._idle.pop() if self._idle else (Staging(self._device), self._device.event())
        lane = Lane(*memory)
        finalize(lane, self._idle.append, memory)
        return lane

    def stage(self, frames: Sequence[Any], lane: Lane) -> Staged:
        """Bring frames of the host into the GPU's reach, beside what it computes.

        What was staged in the lane before must have been seen. Raises MineHatError for what is no frame.
        """
        lane.arrived.synchronize()
        height, width = self._card.height, self._card.width
        pictures = {}
        for row, frame in enumerate(frames):
            pixels, matrix = (frame.pixels, frame.matrix) if isinstance(frame, Nv12) else (frame, None)
            if not hasattr(pixels, "__cuda_array_interface__"):
                pictures[row] = picture_of(pixels, _sides(pixels, matrix), height, width, matrix)
        staged = dict(zip(pictures, lane.staging.put(list(pictures.values()), self._copies), strict=True))
        lying = [staged[row] if row in staged else self._there(frame) for row, frame in enumerate(frames)]
        lane.arrived.record(self._copies)
        return Staged(merged(lying), [frame.placement for frame in lying], lane, frames)

    def see(self, staged: Staged, conf: float | None, iou: float | None) -> tuple[Array, ...]:
        """The network's answer, as minehat.answers tells it, the caller's own.

        With conf and iou, both asked of the answer later, boxes that suppression would drop may be left out of it.
        """
        engine, pictures = self._engine, len(staged.placements)
        thresholds = (float(conf), float(iou)) if conf and iou is not None else None  # at 0 all boxes are candidates
        suppression = self._suppression if thresholds else None
        engine.shape(pictures)
        engine.stream.wait(staged.lane.arrived)

        def work() -> None:
            self._put_letterbox(staged.lying)
            engine.enqueue()
            if suppression is None or thresholds is None:
                engine.copy_out()
            else:
                boxes, scores = engine.outputs
                suppression.launch(boxes.address, scores.address, pictures, *thresholds, self._kept, engine.stream)

        try:
            self._noted.run((engine.changes, staged.lying, suppression and thresholds), work)
        finally:
            engine.stream.synchronize()  # tells, too, where the GPU is lost
        if suppression is not None:
            kept = suppression.kept(self._kept, pictures)
            if kept.whole:
                most = int(kept.rows.max())
                return kept.boxes[:, :most].copy(), kept.scores[:, :most].copy()
            engine.copy_out()  # what cannot be settled on the GPU is settled on the host, with all there is
            engine.stream.synchronize()
        return engine.answer()

    def _put_letterbox(self, frames: Sequence[Lying]) -> None:
        out = self._engine.input.address
        for alike in frames:
            self._letterbox.put(alike, out, self._engine.input.dtype, self._engine.stream)
            out += alike.count * self._engine.input.row_bytes

    def _there(self, frame: Any) -> Lying:
        """A frame that another library holds on the GPU; the copies' stream waits until it is done there."""
        pixels, matrix = (frame.pixels, frame.matrix) if isinstance(frame, Nv12) else (frame, None)
        array = cuda_array_of(pixels)
        sides = frame_sides(array.shape, array.dtype, nv12=matrix is not None)
        if array.stream:
            self._copies.follow(array.stream)
        return Lying(array.address, 1, place(*sides, self._card.height, self._card.width),
                     array.nbytes // array.shape[0], array.nbytes, matrix=matrix)


def _sides(frame: Any, matrix: str | None) -> tuple[int, int]:
    """Height and width of a frame of the host."""
    if matrix is None:
        check_frame(frame)
        return frame.shape[0], frame.shape[1]
    return frame_sides(np.shape(frame), np.asarray(frame).dtype, nv12=True)
