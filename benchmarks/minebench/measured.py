"""A race from opening the models to the report as plain values."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minehat.backends.ort import cores
from minehat.errors import Missing
from minehat.progress import say
from minehat.telemetry import Beside

from .device import Peaks, cpu_peaks, gpu_peaks
from .frames import Frames
from .lanes import Entry, Lanes
from .latency import Samples, percentiles, race, warm_up
from .machine import machine
from .names import names_of
from .sensed import between, gpu_memory_mb, joules_per_frame, others_share, summed_up
from .work import work_of

SCHEMA = 1
ON_CPU = ("ort", "openvino")  # other backends run on a GPU


@dataclass(frozen=True)
class Wish:
    """What is to be raced, and how."""

    models: Sequence[Path]
    backends: Sequence[str]
    batches: Sequence[int]
    threads: int | None
    own_process: bool
    calls: int
    warmup: int
    limits: bool  # ask what the device can do at most, too


def measured(wish: Wish, source: Frames) -> dict[str, Any]:
    """The report, with all samples. Raises MineHatError where a model cannot be used."""
    models = list(zip(wish.models, names_of(wish.models), strict=True))
    with Lanes() as lanes, Beside() as beside:
        entries = lanes.open(models, wish.backends, wish.batches, wish.threads, wish.own_process)
        raced = [entry.lane for entry in entries]
        warm_up(raced, source.frames, wish.warmup)
        begun, before = time.monotonic(), _memory(entries)
        timed = race(raced, source.frames, wish.calls)
        ended, after = time.monotonic(), _memory(entries)
        energies = _energies(entries, source, beside)
    readings = between(beside.readings, begun, ended)
    sensors = {**summed_up(readings), "gpu_memory_mb": gpu_memory_mb(beside.readings),
               "readings": [{**reading.to_json(), "at": round(reading.at - begun, 2)} for reading in readings]}
    rows = [{**entry.to_json(), **samples.to_json(), **(memory if wish.own_process else {}), **energy}
            for entry, samples, memory, energy in zip(entries, timed, after, energies, strict=True)]
    return {"schema": SCHEMA, "machine": machine(), **_source_json(source), "warmup": wish.warmup,
            "threads": wish.threads or cores(), "own_process": wish.own_process, "seconds": round(ended - begun, 2),
            **_held(before, after), "others_share": _others(sensors, timed, ended - begun),
            "sensors": sensors, "models": rows, **(_limits(wish, entries) if wish.limits else {})}


def _memory(entries: Sequence[Entry]) -> list[dict[str, float]]:
    return [entry.memory() for entry in entries]


def _held(before: Sequence[dict[str, float]], after: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of the process that holds most: the most that it ever held, and by how much it grew while it was timed."""
    return {"peak_rss_mb": max(one["peak_rss_mb"] for one in after),
            "rss_growth_mb": round(max(last["rss_mb"] - first["rss_mb"]
                                       for first, last in zip(before, after, strict=True)), 1)}


def _energies(entries: Sequence[Entry], source: Frames, beside: Beside) -> list[dict[str, float]]:
    """Each model alone, where the sensors tell watts at all."""
    if not any(reading.total_watts is not None for reading in beside.readings):
        return [{} for _ in entries]
    say("each model alone for its power")
    return [joules_per_frame(entry.lane, source.frames, lambda: beside.readings) for entry in entries]


def _source_json(source: Frames) -> dict[str, Any]:
    height, width = source.frames[0].shape[:2]
    return {"source": source.source, "rendered": source.rendered, "frame_size": f"{width}x{height}",
            "read_ms": percentiles(source.read_ms)}


def _others(sensors: dict[str, Any], timed: Sequence[Samples], seconds: float) -> float | None:
    ours = sum(float(samples.columns["cpu"].sum()) for samples in timed)
    return others_share(sensors, ours, seconds, os.cpu_count() or 1)


def _limits(wish: Wish, entries: Sequence[Entry]) -> dict[str, Any]:
    """What each model has to do, and what the devices that run them can do; why not, where that is not known."""
    on_gpu = [entry.backend not in ON_CPU for entry in entries]
    work = [work_of(entry.path, gpu) for entry, gpu in zip(entries, on_gpu, strict=True)]
    devices: dict[str, Peaks | None] = {}
    missing = ""
    if any(on_gpu):
        devices["gpu"] = gpu_peaks()
    if not all(on_gpu):
        try:
            say("what this processor can do at most")
            devices["cpu"] = cpu_peaks(wish.threads)
        except Missing as exc:
            missing = str(exc)
    return {"work": [one.to_json() if one else None for one in work],
            "runs_on": ["gpu" if gpu else "cpu" for gpu in on_gpu], "limits_missing": missing,
            "devices": {kind: peaks.to_json() for kind, peaks in devices.items() if peaks}}
