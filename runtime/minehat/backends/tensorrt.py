"""Engines of `minehat build`, of TensorRT and TensorRT-RTX alike, on GPU 0. Unverified on a GPU."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..answers import check_answer
from ..card import ModelCard
from ..cuda import open_device
from ..engine import check_engine
from ..errors import MineHatError, Missing
from ..letterbox import Placement, Planes
from ..progress import say
from .loaded_engine import LoadedEngine
from .sight import Lane, Sight, Staged

Array = npt.NDArray[Any]


class TensorRtBackend:
    """An engine, and memory for the largest batch that it takes. `threads` is for CPUs.

    One thread at a time may see or infer, and another may stage frames meanwhile. graphs: False to have each piece of
    the work put on the GPU by itself.
    """

    name = "tensorrt"

    def __init__(self, path: Path, card: ModelCard, threads: int | None = None, graphs: bool = True) -> None:
        self._path, self._card, self._graphs = path, card, graphs
        self._engine_card = check_engine(path)
        self.batches = self._engine_card.batch[0], self._engine_card.batch[2]
        self._device = open_device()
        self._thread, self._staging = threading.local(), threading.Lock()
        self._thread.ready = True
        self._sight: Sight | None = None
        self._blind = False  # there can be no sight
        self._planes: Planes | None = None  # then
        self._engine: LoadedEngine | None = LoadedEngine(path, card, self._device)
        try:
            self._engine.load(self._engine_card)
        except BaseException:
            self.close()
            raise

    def infer(self, batch: Array) -> tuple[Array, ...]:
        """[N, 3, H, W] as the card wants it -> the network's answer, as minehat.answers tells it: boxes, scores, ...

        Raises MineHatError for batches that the engine was not built for and where the answer is not finite,
        CudaLost where the GPU gave up.
        """
        engine = self._ready()
        self._check_batch(len(batch))
        return self._checked(engine.infer(batch))

    def see(self, frames: Sequence[Any] | Staged, conf: float | None = None,
            iou: float | None = None) -> tuple[tuple[Array, ...], list[Placement]]:
        """Frames, or what `stage` made of them -> (the network's answer, where each frame lies in its square).

        A frame is uint8 [h, w, 3] BGR, in numpy or, with `__cuda_array_interface__`, on the GPU already, or a
        minehat.cuda.Nv12 of either. With conf and iou, which must be those that are asked of the answer later, it
        bears only boxes that suppression keeps, the best first, where the card leaves suppression to the host.
        Raises as `infer` does, and MineHatError for what is no frame.
        """
        engine = self._ready()
        staged = frames if isinstance(frames, Staged) else self.stage(frames)
        if self._sight is not None and isinstance(staged, Staged):
            return self._checked(self._sight.see(staged, conf, iou)), staged.placements
        return self._seen_by_host(engine, staged)

    def lane(self) -> Lane | None:
        """Memory for `stage`, to be held as long as it is staged into. None where the host letterboxes."""
        with self._staging:
            sight = self._sight_of(self._ready())
            return None if sight is None else sight.lane()

    def stage(self, frames: Sequence[Any], lane: Lane | None = None) -> Sequence[Any] | Staged:
        """Begin to bring frames to the GPU, for `see`, while it computes; what the lane had must have been seen."""
        with self._staging:
            engine = self._ready()
            self._check_batch(len(frames))
            sight = self._sight_of(engine)
            return frames if sight is None else sight.stage(frames, lane or sight.alone)

    def close(self) -> None:
        """Let go of the engine, then of its memory. A second call does nothing."""
        with self._staging:
            if self._engine is not None:
                if not self._device.driver.lost:
                    self._ready()
                self._engine.close()
                self._engine = self._sight = None
            self._device.close()

    def _ready(self) -> LoadedEngine:
        """The engine, with its device in use in this thread."""
        if self._engine is None:
            raise ValueError("this TensorRtBackend is closed")
        if not hasattr(self._thread, "ready"):
            self._device.use()
            self._thread.ready = True
        return self._engine

    def _sight_of(self, engine: LoadedEngine) -> Sight | None:
        """None, said once, where no compiler of kernels is here."""
        if self._sight is None and not self._blind:
            try:
                self._sight = Sight(engine, self._card, self._device, say, self._graphs)
            except Missing as exc:
                say(f"{exc} Until then frames are letterboxed on the processor.")
                self._blind = True
        return self._sight

    def _seen_by_host(self, engine: LoadedEngine, frames: Any) -> tuple[tuple[Array, ...], list[Placement]]:
        """Letterbox on the host, network on the GPU."""
        if self._planes is None:
            self._planes = Planes(self._card, engine.most)
        placements = [self._planes.put(frame, row) for row, frame in enumerate(frames)]
        return self._checked(engine.infer(self._planes.batch[:len(frames)])), placements

    def _checked(self, answer: tuple[Array, ...]) -> tuple[Array, ...]:
        check_answer(answer, self._card, self._path)
        return answer

    def _check_batch(self, size: int) -> None:
        least, best, most = self._engine_card.batch
        if not least <= size <= most:
            wider = ",".join(map(str, (min(least, size), best, max(most, size))))
            again = self._engine_card.rebuild.replace(f"--batch {least},{best},{most}", f"--batch {wider}")
            raise MineHatError(f"{self._path} was built for batches of {least} to {most}, found one of {size}. "
                               f"Build it for them: `{again}`")
