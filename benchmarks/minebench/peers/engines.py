"""Networks raced batch by batch in one process, on processor time.

Processor time of one thread hardly depends on who else is on the machine, and turns that change their order spread
what is left over all alike. Each network answers a few times in a row and its first answer is not counted: alone on a
device, it would find its weights in the cache too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.backends import Backend
from minehat.progress import bar

Array = npt.NDArray[Any]
IN_A_ROW = 3  # counted answers
WARMUP = 2  # turns that are not counted


def race_engines(engines: Mapping[str, Backend], inputs: Sequence[Array], turns: int) -> dict[str, Array]:
    """Processor milliseconds of each engine, [turns] float64: the mean of a turn's answers.

    inputs: float32 [1, 3, H, W], taken round and round. Every other turn goes through the engines backwards.
    """
    names = list(engines)
    spent: dict[str, list[float]] = {name: [] for name in names}
    for turn in bar(range(-WARMUP, turns), label="race"):
        batch = inputs[turn % len(inputs)]
        for name in names if turn % 2 else reversed(names):
            used = _cpu_ms(engines[name], batch)
            if turn >= 0:
                spent[name].append(used)
    return {name: np.array(ms) for name, ms in spent.items()}


def ratio(slower: Array, faster: Array, seed: int = 0) -> tuple[float, float, float]:
    """How many times the processor time of `faster` the other takes: of medians, and its 95 % bootstrap interval.

    [turns] each, of one race: turns are drawn, so that what disturbed both cancels out.
    """
    rows = np.random.default_rng(seed).integers(0, len(slower), (2000, len(slower)))
    drawn = np.median(slower[rows], axis=1) / np.median(faster[rows], axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(np.median(slower) / np.median(faster)), float(low), float(high)


def _cpu_ms(engine: Backend, batch: Array) -> float:
    engine.infer(batch)
    begun = time.process_time_ns()
    for _ in range(IN_A_ROW):
        engine.infer(batch)
    return (time.process_time_ns() - begun) / 1e6 / IN_A_ROW
