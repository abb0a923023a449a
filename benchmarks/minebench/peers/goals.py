"""What the race shall show, and whether it does. The limits are the project's own goals for its CPU path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from . import tables as lane
from .engines import ratio

Tables = Mapping[str, Mapping[str, Any]]  # table -> {"lanes": lane -> what turns.race tells of it, ...}
Figure = tuple[float, float, float]  # with its 95 % interval
Why = tuple[str, ...]  # ("calls", table, lane, case) or ("operations", file, ...): what explains a goal that is missed


class Lacking(Exception):
    """The race that a figure needs has not been run, or a lane of it could not."""


@dataclass(frozen=True)
class Goal:
    """A figure and its limit: at most that, or at least."""

    told: str
    figure: Callable[[Tables], Figure]
    limit: float
    unit: str  # x, %, or nothing
    why: Why
    at_least: bool = False

    def met_by(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured; None where it was not."""

    goal: Goal
    figure: Figure | None

    @property
    def word(self) -> str:
        """yes, no, or that the interval leaves it open."""
        if self.figure is None:
            return "not run"
        word = "yes" if self.goal.met_by(self.figure[0]) else "no"
        open_ = len({self.goal.met_by(value) for value in self.figure}) > 1
        return f"{word}, but the interval crosses the goal" if open_ else word

    def to_json(self) -> dict[str, Any]:
        return {"goal": self.goal.told, "limit": self.goal.limit, "at_least": self.goal.at_least,
                "unit": self.goal.unit, "measured": self.figure, "met": self.word}


def judged(tables: Tables) -> list[Verdict]:
    """Every goal, in order."""
    verdicts = []
    for goal in GOALS:
        try:
            verdicts.append(Verdict(goal, goal.figure(tables)))
        except Lacking:
            verdicts.append(Verdict(goal, None))
    return verdicts


def samples(tables: Tables, table: str, name: str, case: str) -> npt.NDArray[Any]:
    """[turns] of a lane. Raises Lacking where there are none."""
    return np.array(_lane(tables, table, name)["samples"][case])


def _lane(tables: Tables, table: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tables.get(table, {}).get("lanes", {}).get(name, {})
    if "samples" not in found:
        raise Lacking
    return found


def _times(table: str, case: str, above: str, below: str, tables: Tables) -> Figure:
    """Time of the lane `above` over that of the lane `below`."""
    return ratio(samples(tables, table, above, case), samples(tables, table, below, case))


def _share(table: str, tables: Tables) -> Figure:
    """Percent of a frame beside the engine."""
    found = 100 * samples(tables, table, lane.OURS, "beside")
    drawn = np.median(np.random.default_rng(0).choice(found, (2000, len(found))), axis=1)
    return float(np.median(found)), float(np.percentile(drawn, 2.5)), float(np.percentile(drawn, 97.5))


def _added(precision: str, tables: Tables) -> Figure:
    """Percent of time that attention adds."""
    middle, low, high = _times("attention", "answer", f"{precision}, both", f"{precision}, none", tables)
    return 100 * (middle - 1), 100 * (low - 1), 100 * (high - 1)


def _memory(tables: Tables) -> Figure:
    ours, theirs = (_lane(tables, "frames-full", name)["peak_rss_mb"] for name in (lane.OURS, lane.PLAIN))
    return (ours / theirs,) * 3


def _torch(tables: Tables) -> Figure:
    return (float(_lane(tables, "frames-full", lane.OURS)["torch"]),) * 3


def _differs(table: str, others: tuple[str, ...], tables: Tables) -> Figure:
    """The most that any of the others' answers differs from ours; infinite where it has another shape."""
    found = [difference for name in others for difference in _lane(tables, table, name)["differs"].values()]
    return (max(float("inf") if difference is None else difference for difference in found),) * 3


def _frame_goals() -> list[Goal]:
    goals = []
    for size, limit, alone, together in (("416x416", 3.0, lane.OURS, lane.OURS_DEFAULTS),
                                         ("416x256", 4.5, lane.WIDE, lane.WIDE_DEFAULTS)):
        for told, ours, theirs in (("one thread", alone, lane.PLAIN), ("both at their defaults", together,
                                                                       lane.PLAIN_DEFAULTS)):
            goals.append(Goal(f"full, 1080p frame -> boxes at {size}: CPU ms of ONNX Runtime FP32 + common code over "
                              f"ours, {told}", partial(_times, "frames-full", "whole", theirs, ours), limit, "x",
                              ("operations", "full.int8-cpu.onnx"), at_least=True))
    return goals


def _letterbox_goals() -> list[Goal]:
    return [Goal(f"letterbox, {size}: ours over {other}", partial(_times, "letterbox", size, "ours", other), limit, "x",
                 ("calls", "letterbox", "ours", size))
            for other, limit in ((lane.COMMON, 0.75), (lane.PLANES, 0.67), (lane.TENSORS, 0.67), (lane.TRTUTILS, 0.55))
            for size in ("1080p", "720p")]


GOALS = (
    *_frame_goals(),
    *(Goal(f"full, engine: {ours} over {lane.NNCF}", partial(_times, "engines-full", "answer", ours, lane.NNCF), 1.10,
           "x", ("operations", "full.int8-cpu.onnx", "full.nncf.xml")) for ours in (lane.OURS, lane.OURS_OPENVINO)),
    *_letterbox_goals(),
    Goal("letterbox: the most that common code, ultralytics and trtutils differ from ours",
         partial(_differs, "letterbox", (lane.COMMON, lane.PLANES, lane.TENSORS, lane.TRTUTILS)), 1e-6, "", ()),
    *(Goal(f"boxes -> kept, {count} candidates: ours over naive numpy",
           partial(_times, "kept", count, "ours", lane.NAIVE), limit, "x", ("calls", "kept", "ours", count))
      for count, limit in (("20", 0.1), ("300", 0.2))),
    Goal("boxes -> kept: the most that any other's boxes differ from ours, px",
         partial(_differs, "kept", (lane.NAIVE, "ultralytics", "supervision", lane.ONNX_NMS)), 1e-3, "", ()),
    Goal("full, INT8 frame: share of everything but the engine", partial(_share, "frames-full"), 1.5, "%",
         ("calls", "frames-full", lane.OURS, "whole")),
    Goal("nano, engine: CPU ms of ONNX Runtime FP32 over ours INT8",
         partial(_times, "engines-nano", "answer", "ONNX Runtime FP32", lane.OURS), 2.0, "x",
         ("operations", "nano.int8-cpu.onnx"), at_least=True),
    Goal("full, frame -> boxes: peak RSS of ours INT8 over ONNX Runtime FP32, one thread", _memory, 0.33, "x", ()),
    Goal("full, frame -> boxes: torch in our process (0 is no)", _torch, 0, "", ()),
    *(Goal(f"full, {precision}: time that attention adds", partial(_added, precision), 8.0, "%",
           ("operations", *(f"{name}{suffix}.onnx" for name in ("full", "full-plain"))))
      for precision, suffix in (("INT8", ".int8-cpu"), ("FP32", ""))),
)
