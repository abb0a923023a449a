"""The race itself: one process a lane, turn by turn, each telling its own processor time.

Who goes first moves on from turn to turn, so that what disturbs the machine disturbs all lanes alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import make_folder
from minehat.progress import bar, say

from .tables import ROOT, Table

ROOMS = ("runtime", "benchmarks", "export", "calib")


class Worker:
    """A lane of a table in a process of its own. folder: of the models; what it prints goes to `logs` there."""

    def __init__(self, python: Path, table: str, lane: str, folder: Path) -> None:
        surroundings = around(python)
        if "defaults" in lane:
            del surroundings["OMP_NUM_THREADS"]
        make_folder(folder / "logs")
        self._log = folder / "logs" / f"{table}.{lane}.txt"
        with self._log.open("w") as words:
            self._process = subprocess.Popen(
                [str(python), "-m", "minebench.peers.worker", table, lane, str(folder)], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=words, text=True, env=surroundings)

    def ask(self, order: str = "") -> Any:
        """Its answer to an order; to none, what it says when it is ready. Raises MineHatError where it has ended."""
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            if order:
                self._process.stdin.write(order + "\n")
                self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise MineHatError(self._last_words())
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"it ended with {self._process.wait()}"


def race(name: str, table: Table, turns: int, python: Path, folder: Path) -> dict[str, Any]:
    """Milliseconds a call of each case, [turns], and what each process took, by lane; a lane that cannot run says why.

    folder: of the models. Raises MineHatError where the first lane, which is ours, does not run.
    """
    with contextlib.ExitStack() as opened:
        workers = {lane: Worker(python, name, lane, folder) for lane in table.lanes}  # all load at once
        for worker in workers.values():
            opened.callback(worker.close)
        absent = _absent(workers)
        for lane, why in absent.items():
            say(f"{name}: {lane} does not run: {why}")
        if table.lanes[0] in absent:
            raise MineHatError(f"{name}: {table.lanes[0]} does not run: {absent[table.lanes[0]]}")
        running = {lane: worker for lane, worker in workers.items() if lane not in absent}
        spent = _turns(name, running, turns)
        took = {lane: {"samples": {case: [round(turn[case], 6) for turn in spent[lane]] for case in spent[lane][0]},
                       **worker.ask("end")} for lane, worker in running.items()}
    return {lane: took.get(lane) or {"absent": absent[lane]} for lane in table.lanes}


def profile(name: str, lane: str, case: str, python: Path, folder: Path) -> dict[str, float]:
    """Microseconds a call by function, of a lane that is opened for it."""
    worker = Worker(python, name, lane, folder)
    try:
        worker.ask()
        spent: dict[str, float] = worker.ask(f"profile {case}")
        return spent
    finally:
        worker.close()


def _absent(workers: Mapping[str, Worker]) -> dict[str, str]:
    """Lanes that do not get ready, and why."""
    found = {}
    for lane, worker in workers.items():
        try:
            worker.ask()
        except MineHatError as exc:
            found[lane] = str(exc)
    return found


def _turns(name: str, running: Mapping[str, Worker], turns: int) -> dict[str, list[dict[str, float]]]:
    """What each lane told of each turn; the one before the first is not counted."""
    lanes = list(running)
    spent: dict[str, list[dict[str, float]]] = {lane: [] for lane in lanes}
    for turn in bar(range(-1, turns), label=name):
        first = turn % len(lanes)
        for lane in lanes[first:] + lanes[:first]:
            told = running[lane].ask("turn")
            if turn >= 0:
                spent[lane].append(told)
    return spent


def around(python: Path) -> dict[str, str]:
    """The environment of every process of the race: our rooms on the path, one thread, settings of guests inside."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / room) for room in ROOMS), "OMP_NUM_THREADS": "1",
            "YOLO_CONFIG_DIR": str(python.parent.parent), "YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0"}
