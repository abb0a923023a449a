"""What goes with the figures: whether lanes answer alike, and where the time of a missed goal goes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from minehat.card import read_card
from minehat.errors import MineHatError
from minehat.progress import say

from .goals import Verdict, Why
from .kept_lanes import in_order
from .tables import model_of
from .turns import around, profile


def differences(name: str, lanes: dict[str, Any], folder: Path) -> None:
    """Note in every lane how far its answers lie from the first's, by case: None where there are more or fewer."""
    first = next(iter(lanes))
    for lane, told in lanes.items():
        if "samples" in told:
            told["differs"] = {case: _difference(folder / f"{name}.{first}.{case}.npy",
                                                 folder / f"{name}.{lane}.{case}.npy", name == "kept")
                               for case in told["samples"]}


def explain(verdicts: Sequence[Verdict], python: Path, folder: Path) -> list[dict[str, Any]]:
    """A profile for each reason of goals that are missed."""
    missed: dict[Why, list[str]] = {}
    for verdict in verdicts:
        if verdict.word.startswith("no") and verdict.figure is not None and verdict.goal.why:
            missed.setdefault(verdict.goal.why, []).append(verdict.goal.told)
    found = []
    for why, goals in missed.items():
        say(f"profile: {' '.join(why)}")
        if why[0] == "calls":
            found.append({"of": f"{why[1]}, {why[2]}, {why[3]}", "goals": goals, "by": "function, its own time",
                          "unit": "us a call, under the profiler", "rows": profile(why[1], why[2], why[3], python,
                                                                                   folder)})
        else:
            found += [{"of": name, "goals": goals, "by": "operation", "unit": "% of its time, one thread",
                       "rows": _operations(name, python, folder)} for name in why[1:]]
    return found


def _difference(ours: Path, theirs: Path, in_rows: bool) -> float | None:
    one, other = np.load(ours), np.load(theirs)
    if one.shape != other.shape:
        return None
    if in_rows:
        one, other = in_order(one), in_order(other)
    return float(np.abs(one - other).max(initial=0.0))


def _operations(name: str, python: Path, folder: Path) -> dict[str, float]:
    card = read_card(model_of(folder, f"{Path(name).name.split('.')[0]}.onnx"))
    ended = subprocess.run([str(python), "-m", "minebench.peers.profiles", str(model_of(folder, name)),
                            f"{card.height}x{card.width}"], env=around(python), capture_output=True, text=True)
    if ended.returncode:
        raise MineHatError(f"{name} cannot be profiled: {(ended.stderr.strip() or 'no reason told').splitlines()[-1]}")
    spent: dict[str, float] = json.loads(ended.stdout)
    return spent
