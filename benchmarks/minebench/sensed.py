"""What the sensors said during a race, in a few figures, and what a frame takes in energy."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minehat.telemetry import Reading

from .latency import Array, Lane, taken

ALONE = 6.0  # seconds that a model runs alone for its power: a dozen readings
KINDS = ("clocks_mhz", "celsius", "watts", "loads")


def between(readings: Iterable[Reading], begun: float, ended: float) -> list[Reading]:
    """Those of a span, seconds of time.monotonic."""
    return [reading for reading in readings if begun <= reading.at <= ended]


def summed_up(readings: Sequence[Reading]) -> dict[str, Any]:
    """Least, mean and most of every value that the sensors told; reasons of throttling with their share of the time."""
    told: dict[str, Any] = {kind: _spread(getattr(one, kind) for one in readings) for kind in KINDS}
    watts = [one.total_watts for one in readings if one.total_watts is not None]
    held = Counter(why for one in readings for why in one.throttled)
    return {**{kind: spread for kind, spread in told.items() if spread},
            **({"total_watts": _three(watts)} if watts else {}),
            "throttled": {why: round(count / len(readings), 3) for why, count in held.items()}}


def gpu_memory_mb(readings: Sequence[Reading]) -> float | None:
    """What was taken of the GPU's memory since the first reading, before any model was open."""
    used = [one.gpu_memory_mb for one in readings if one.gpu_memory_mb is not None]
    return round(max(used) - used[0], 1) if used else None


def joules_per_frame(lane: Lane, frames: Sequence[Array], readings: Callable[[], Sequence[Reading]],
                     seconds: float = ALONE) -> dict[str, float]:
    """Run a lane alone for a while; its mean power and energy a frame. {} where no sensor told of watts meanwhile."""
    begun, calls = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        lane.call(taken(frames, calls, lane.batch))
        calls += 1
    ended = time.monotonic()
    time.sleep(0.1)  # the last reading may be on its way
    watts = [one.total_watts for one in between(readings(), begun, ended) if one.total_watts is not None]
    if not watts:
        return {}
    mean = statistics.mean(watts)
    return {"watts": round(mean, 2), "joules_per_frame": round(mean * (ended - begun) / (calls * lane.batch), 4)}


def others_share(summary: Mapping[str, Any], cpu_ms: float, seconds: float, cores: int) -> float | None:
    """Share of the machine's processor time that others spent during a race; None where its load is not told."""
    load = summary.get("loads", {}).get("cpu")
    return None if load is None else round(max(0.0, load["mean"] - cpu_ms / 1000 / seconds / cores), 3)


def _spread(readings: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    columns: dict[str, list[float]] = {}
    for reading in readings:
        for key, value in reading.items():
            columns.setdefault(key, []).append(value)
    return {key: _three(values) for key, values in columns.items()}


def _three(values: Sequence[float]) -> dict[str, float]:
    return {"min": round(min(values), 3), "mean": round(statistics.mean(values), 3), "max": round(max(values), 3)}
