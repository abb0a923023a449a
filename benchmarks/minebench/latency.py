"""Where the time of a frame goes, for several models raced frame by frame in one process.

A busy machine slows all of them alike from one moment to the next, so that ratios between models of
one race hold where figures of two separate runs would not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.detector import Detector
from minehat.progress import bar

STAGES = ("prepare", "infer", "finish", "whole")  # letterbox and input; network; suppression; their sum
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Milliseconds a frame of one model; entry i of every column is the i-th frame of the race."""

    stages: dict[str, Array]  # by STAGES, wall clock, [frames] float64
    cpu: Array  # [frames] float64, CPU time of the whole process, over all its threads

    def to_json(self) -> dict[str, Any]:
        """Percentiles, throughput, and the samples that compare.py draws its interval from."""
        whole = self.stages["whole"]
        return {"frames": len(whole), "stages": {name: percentiles(ms) for name, ms in self.stages.items()},
                "cpu_ms": percentiles(self.cpu), "throughput_fps": round(1000 * len(whole) / whole.sum(), 2),
                "samples": {"whole": whole.round(3).tolist(), "cpu": self.cpu.round(3).tolist()}}


def race(detectors: Sequence[Detector], frames: Sequence[Array], count: int, warmup: int) -> list[Samples]:
    """Time `count` frames on every detector, after `warmup` untimed ones, one frame at a time each.

    frames: uint8 [h, w, 3] BGR, taken round and round. Who goes first moves on by one each frame.
    """
    rows: list[list[list[float]]] = [[] for _ in detectors]
    for turn in bar(range(-warmup, count), label="latency"):
        frame = frames[turn % len(frames)]
        for place in range(len(detectors)):
            lane = (turn + place) % len(detectors)
            timed = _one_frame(detectors[lane], frame)
            if turn >= 0:
                rows[lane].append(timed)
    return [_as_samples(np.array(timed)) for timed in rows]


def percentiles(ms: Array) -> dict[str, float]:
    """p50, p90, p99 and max of [n] milliseconds."""
    p50, p90, p99 = np.percentile(ms, [50, 90, 99])
    return {"p50": round(float(p50), 3), "p90": round(float(p90), 3), "p99": round(float(p99), 3),
            "max": round(float(ms.max()), 3)}


def _one_frame(detector: Detector, frame: Array) -> list[float]:
    """Milliseconds of one frame: prepare, infer, finish, whole, CPU."""
    cpu = time.process_time_ns()
    begun = time.perf_counter_ns()
    batch, placement = detector.prepare(frame)
    prepared = time.perf_counter_ns()
    answers = detector.backend.infer(batch)
    inferred = time.perf_counter_ns()
    detector.finish([column[0] for column in answers], placement)
    done = time.perf_counter_ns()
    used = time.process_time_ns() - cpu
    spans = (prepared - begun, inferred - prepared, done - inferred, done - begun, used)
    return [span / 1e6 for span in spans]


def _as_samples(timed: Array) -> Samples:
    """[frames, 5] milliseconds in the order of `_one_frame`."""
    return Samples({name: timed[:, column] for column, name in enumerate(STAGES)}, timed[:, -1])
