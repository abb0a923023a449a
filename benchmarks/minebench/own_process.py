"""A lane in a process of its own: what it holds in memory is that one model's, and no other is loaded beside it.

Frames reach it one batch at a time, as from a camera; nothing but them and the figures passes between.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.card import ModelCard
from minehat.errors import CudaLost, MineHatError

from .machine import peak_rss_mb, rss_mb

Array = npt.NDArray[Any]
ENDED = 20.0  # seconds that a process is given to end by itself


@dataclass(frozen=True)
class Asked:
    """How a model is opened."""

    model: Path
    backend: str  # as for `minehat.open`
    threads: int | None
    batch: int


class Apart:
    """A lane whose model is open in a process of its own. A context manager.

    Raises what opening it or calling it raised there.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked, self.batch = asked, asked.batch
        spawned = multiprocessing.get_context("spawn")  # not forked: our memory is not its
        self._link, theirs = spawned.Pipe()
        self._process = spawned.Process(target=serve, args=(theirs, asked), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self.card, self.backend_name = self._answer()
        except BaseException:
            self.__exit__()
            raise

    def call(self, frames: Sequence[Array]) -> Sequence[float]:
        """Milliseconds by COLUMNS, as measured there."""
        with contextlib.suppress(ConnectionError):  # where it has ended, its last answer says why
            self._link.send([frame.shape for frame in frames])
            for frame in frames:
                self._link.send_bytes(_flat(np.ascontiguousarray(frame)))
        timed: Sequence[float] = self._answer()
        return timed

    def memory(self) -> tuple[float, float]:
        """What the process holds now, and the most that it ever held; MB of 2**20 bytes."""
        self._link.send("memory")
        now, peak = self._answer()
        return now, peak

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *exc: object) -> None:
        self._link.close()  # it ends by that
        self._process.join(ENDED)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._link.recv()
        except (EOFError, ConnectionError) as exc:
            self._process.join(ENDED)
            raise MineHatError(f"The process of {self.asked.model} ended with code {self._process.exitcode} while it "
                               "was timed. Where memory ran out (code -9), time fewer models or smaller batches."
                               ) from exc
        if isinstance(answer, Exception):
            raise answer
        return answer


def serve(link: Connection, asked: Asked) -> None:
    """Open the model, say its card and backend, then answer until the other end closes."""
    try:
        _serve(link, asked)
    except (MineHatError, CudaLost) as exc:
        link.send(exc)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        pass


def _serve(link: Connection, asked: Asked) -> None:
    import minehat

    from .latency import Here
    with minehat.open(asked.model, backend=asked.backend, threads=asked.threads) as detector:
        card: ModelCard = detector.card
        link.send((card, detector.backend.name))
        lane, held = Here(detector, asked.batch), _Held()
        while True:
            request = link.recv()
            link.send((rss_mb(), peak_rss_mb()) if request == "memory" else lane.call(held.received(link, request)))


class _Held:
    """Memory for one batch of frames, used again as long as they keep their size."""

    def __init__(self) -> None:
        self._frames: list[Array] = []

    def received(self, link: Connection, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
        if [frame.shape for frame in self._frames] != list(shapes):
            self._frames = [np.empty(shape, np.uint8) for shape in shapes]
        for frame in self._frames:
            link.recv_bytes_into(_flat(frame))
        return self._frames


def _flat(frame: Array) -> Array:
    """A view in one dimension: connections take the first side of an array for its length."""
    return frame.reshape(-1)
