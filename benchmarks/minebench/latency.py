"""Where the time of a frame goes, for several models raced call by call.

A busy machine slows all of them alike from one moment to the next, so that ratios between models of
one race hold where figures of two separate runs would not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from minehat.detector import Detector
from minehat.errors import MineHatError
from minehat.letterbox import Planes
from minehat.progress import bar

STAGES = ("prepare", "infer", "finish", "whole")  # letterbox and input; network; suppression; their sum
COLUMNS = (*STAGES, "cpu")
Array = npt.NDArray[Any]


class Lane(Protocol):
    """A model in a race, at a batch."""

    batch: int

    def call(self, frames: Sequence[Array]) -> Sequence[float]:
        """`batch` frames, uint8 [h, w, 3] BGR, through the model: milliseconds by COLUMNS."""


class Here:
    """A lane in this process.

    Where the backend takes frames as they are (`see`), their preparation is part of infer. Raises MineHatError for
    batches that the backend does not take.
    """

    def __init__(self, detector: Detector, batch: int) -> None:
        self.detector, self.batch = detector, batch
        least, most = getattr(detector.backend, "batches", (batch, batch))
        if not least <= batch <= most:
            raise MineHatError(f"--batch {batch}: {detector.card.name} by {detector.backend.name} takes {least} to "
                               f"{most} pictures at once. Name another, or make the model for that many.")
        self._see: Any = getattr(detector.backend, "see", None)
        self._planes = None if self._see else Planes(detector.card, batch)

    def call(self, frames: Sequence[Array]) -> Sequence[float]:
        """Milliseconds of wall clock by STAGES, then of CPU time of the whole process, over all its threads."""
        cpu, begun = time.process_time_ns(), time.perf_counter_ns()
        if self._planes is None:
            prepared = begun
            answer, placements = self._see(frames, self.detector.conf, self.detector.iou)
        else:
            placements = [self._planes.put(frame, row) for row, frame in enumerate(frames)]
            prepared = time.perf_counter_ns()
            answer = self.detector.backend.infer(self._planes.batch)
        inferred = time.perf_counter_ns()
        for row, placement in enumerate(placements):
            self.detector.finish([column[row] for column in answer], placement)
        done = time.perf_counter_ns()
        used = time.process_time_ns() - cpu
        spans = (prepared - begun, inferred - prepared, done - inferred, done - begun, used)
        return [span / 1e6 for span in spans]


@dataclass(frozen=True)
class Samples:
    """Milliseconds a call of one lane; entry i of every column is the i-th call of the race."""

    columns: dict[str, Array]  # by COLUMNS, [calls] float64
    batch: int

    def to_json(self) -> dict[str, Any]:
        """Percentiles, jitter, throughput, and the samples that compare.py draws its interval from."""
        whole = self.columns["whole"]
        frames = self.batch * len(whole)
        return {"batch": self.batch, "calls": len(whole), "frames": frames,
                "stages": {name: percentiles(self.columns[name]) for name in STAGES},
                "cpu_ms": percentiles(self.columns["cpu"]),
                "cpu_ms_per_frame": round(float(np.median(self.columns["cpu"])) / self.batch, 3),
                "jitter": jitter(whole), "throughput_fps": round(1000 * frames / whole.sum(), 2),
                "samples": {name: ms.round(4).tolist() for name, ms in self.columns.items()}}


def warm_up(lanes: Sequence[Lane], frames: Sequence[Array], count: int) -> None:
    """`count` untimed calls of every lane."""
    for turn in range(count):
        for lane in lanes:
            lane.call(taken(frames, turn, lane.batch))


def race(lanes: Sequence[Lane], frames: Sequence[Array], count: int) -> list[Samples]:
    """Time `count` calls of every lane, in turns.

    frames: uint8 [h, w, 3] BGR, taken round and round. Who goes first moves on by one each turn.
    """
    rows = np.full((len(lanes), count, len(COLUMNS)), np.nan)  # written, so that it is held from the start
    for turn in bar(range(count), label="latency"):
        for place in range(len(lanes)):
            row = (turn + place) % len(lanes)
            rows[row, turn] = lanes[row].call(taken(frames, turn, lanes[row].batch))
    return [Samples(dict(zip(COLUMNS, timed.T, strict=True)), lane.batch)
            for timed, lane in zip(rows, lanes, strict=True)]


def taken(frames: Sequence[Array], turn: int, batch: int) -> list[Array]:
    """The frames of a turn."""
    return [frames[(turn * batch + row) % len(frames)] for row in range(batch)]


def percentiles(ms: Array) -> dict[str, float]:
    """p50, p90, p99 and max of [n] milliseconds."""
    p50, p90, p99 = np.percentile(ms, [50, 90, 99])
    return {"p50": round(float(p50), 3), "p90": round(float(p90), 3), "p99": round(float(p99), 3),
            "max": round(float(ms.max()), 3)}


def jitter(ms: Array) -> dict[str, float]:
    """How unsteady [n] milliseconds are: their standard deviation, and how many times the median p99 is."""
    p50, p99 = np.percentile(ms, [50, 99])
    return {"std_ms": round(float(ms.std()), 3), "p99_over_p50": round(float(p99 / p50), 3)}
