"""python -m minebench.peers.worker TABLE LANE FOLDER: one lane of the race, in a process of its own.

It loads what the lane needs, leaves its first answers in FOLDER/answers where they shall be compared, says it is ready,
and takes a turn for each line on stdin: calls that are not counted, then some that are. A line of JSON on stdout tells,
case by case, the processor milliseconds of one call over all threads of this process, by its own clock. `profile CASE`
tells where its time goes; `end` ends it, telling what it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..machine import peak_rss_mb
from .lanes import SHARES, Cases, open_lane
from .tables import TABLES

CALLS = ((5.0, 10, 3), (100.0, 2, 1), (float("inf"), 1, 1))  # up to so many ms a call: counted a turn, not counted


def main(table: str, lane: str, folder: Path) -> None:
    speak = _own_stdout()
    if "defaults" not in lane:
        _resize_on_one_thread()
    cases = open_lane(table, lane, folder)
    if TABLES[table].compared:
        _keep_answers(cases, folder / "answers", f"{table}.{lane}")
    calls = {name: _calls(run) for name, run in cases.items()}
    speak({"ready": os.getpid()})
    for line in sys.stdin:
        order, _, case = line.strip().partition(" ")
        if order == "profile":
            from .profiles import calls_of
            speak(calls_of(cases[case]))
        elif order == "end":
            speak({"peak_rss_mb": round(peak_rss_mb(), 1), "torch": "torch" in sys.modules})
            return
        else:
            speak({name: _turn(name, run, *calls[name]) for name, run in cases.items()})


def _turn(name: str, run: Callable[[], Any], counted: int, uncounted: int) -> float:
    """Milliseconds of a call, or the share that it tells."""
    for _ in range(uncounted):
        run()
    if name in SHARES:
        return float(np.median([run() for _ in range(counted)]))
    begun = time.process_time_ns()
    for _ in range(counted):
        run()
    return (time.process_time_ns() - begun) / 1e6 / counted


def _calls(run: Callable[[], Any]) -> tuple[int, int]:
    """How many calls a turn has, counted and not, by what one takes."""
    run()
    begun = time.perf_counter()
    run()
    ms = 1000 * (time.perf_counter() - begun)
    return next((counted, uncounted) for most, counted, uncounted in CALLS if ms <= most)


def _keep_answers(cases: Cases, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for case, run in cases.items():
        answer: npt.NDArray[Any] = run()
        np.save(folder / f"{name}.{case}.npy", answer)


def _resize_on_one_thread() -> None:
    import cv2
    cv2.setNumThreads(1)


def _own_stdout() -> Callable[[Any], None]:
    """What speaks to the race; whatever else prints goes to stderr."""
    line = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def speak(told: Any) -> None:
        print(json.dumps(told), file=line, flush=True)
    return speak


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
