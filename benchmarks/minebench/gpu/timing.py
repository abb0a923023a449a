"""How long work on the GPU takes: on its own clock between two events, or on the host's until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from minehat.cuda import Device, Stream

WARMUP, TIMES = 20, 200


def device_ms(device: Device, stream: Stream, work: Callable[[], Any], times: int) -> float:
    """Milliseconds of one `work`, the mean of `times` put on the stream one after the other."""
    start, end = device.event(), device.event()
    for _ in range(min(WARMUP, times)):
        work()
    start.record(stream)
    for _ in range(times):
        work()
    end.record(stream)
    end.synchronize()
    mean = end.ms_since(start) / times
    start.close()
    end.close()
    return mean


def host_ms(work: Callable[[], Any], times: int | None = None) -> dict[str, float]:
    """p50, p90, p99 and max of the milliseconds that `work` takes; it returns when all is done."""
    times = times or TIMES
    for _ in range(min(WARMUP, times)):
        work()
    took = np.empty(times)
    for row in range(times):
        begun = time.perf_counter_ns()
        work()
        took[row] = (time.perf_counter_ns() - begun) / 1e6
    p50, p90, p99 = np.percentile(took, [50, 90, 99])
    return {"p50": round(float(p50), 4), "p90": round(float(p90), 4), "p99": round(float(p99), 4),
            "max": round(float(took.max()), 4)}


def gb_per_s(size: int, ms: float) -> float:
    """10**9 bytes a second."""
    return round(size / max(ms, 1e-9) / 1e6, 1)
