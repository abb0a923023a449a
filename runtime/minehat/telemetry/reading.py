"""What all sensors said at one moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reading:
    """What no sensor tells is not there. Every key is the part that a value belongs to: "cpu", "gpu", a rail."""

    at: float  # seconds, time.monotonic of this boot: the same clock in every process
    clocks_mhz: Mapping[str, float] = field(default_factory=dict)  # "cpu", "gpu", "memory"
    celsius: Mapping[str, float] = field(default_factory=dict)
    watts: Mapping[str, float] = field(default_factory=dict)  # by rail; some are part of others
    total_watts: float | None = None  # of what adds up: a Jetson's module, a processor's package, a graphics card
    loads: Mapping[str, float] = field(default_factory=dict)  # 0 to 1: "cpu", "gpu", "memory"
    throttled: tuple[str, ...] = ()  # why it runs slower than it could, in plain words
    gpu_memory_mb: float | None = None  # in use by all processes, 2**20 bytes; None where it is the processor's too

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps, empty ones left out."""
        return {key: _rounded(value) for key, value in asdict(self).items() if value not in ({}, (), None)}


def reading_from_json(text: str) -> Reading:
    """What `Reading.to_json` gave, as one line."""
    told = json.loads(text)
    return Reading(**{**told, "throttled": tuple(told.get("throttled", ()))})


def merged(readings: Iterable[Reading], at: float) -> Reading:
    """One reading of several sensors'; total watts and GPU memory add up."""
    told = list(readings)
    return Reading(at, **{key: _joined(getattr(one, key) for one in told)
                          for key in ("clocks_mhz", "celsius", "watts", "loads")},
                   total_watts=_added(one.total_watts for one in told),
                   throttled=tuple(dict.fromkeys(why for one in told for why in one.throttled)),
                   gpu_memory_mb=_added(one.gpu_memory_mb for one in told))


def _joined(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    return {key: value for part in parts for key, value in part.items()}


def _added(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return round(value, 3) if isinstance(value, float) else value
