"""Figures of the rows, how far they differ, and whether they differ by more than seeds scatter by themselves."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Any

from .rows import Row, Table

# Student's t, two-sided 95 %, by degrees of freedom from 1; beyond the tenth T_MANY + T_SLOPE / freedom is 0.01 off.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
T_MANY, T_SLOPE = 1.96, 2.7


@dataclass(frozen=True)
class Figures:
    """What was found of a row. mAP50 in percent."""

    row: Row  # with what the paper prints
    found: tuple[float, ...]  # of each finished seed; rows may have some, or none
    asked: int  # seeds
    ms: float | None  # a picture, batch 1; None before the first seed is finished

    @property
    def map50(self) -> float | None:
        """Mean over the seeds."""
        return statistics.mean(self.found) if self.found else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds."""
        return statistics.stdev(self.found) if len(self.found) > 1 else None

    @property
    def fps(self) -> float | None:
        return 1000 / self.ms if self.ms else None


@dataclass(frozen=True)
class Scatter:
    """How far seeds of one row lie apart, judged from all rows of a table as if all scattered alike."""

    points: float  # pooled standard deviation
    freedom: int

    def least(self, one: int, other: int) -> float:
        """The difference of two rows of so many seeds that is there by chance once in twenty times."""
        t = T95[self.freedom - 1] if self.freedom <= len(T95) else T_MANY + T_SLOPE / self.freedom
        return t * self.points * math.sqrt(1 / one + 1 / other)


@dataclass(frozen=True)
class Difference:
    """A row against the one that it is compared with, in points of mAP50. None where a figure is missing."""

    ours: float | None
    paper: float | None
    clear: bool | None  # whether ours exceeds what seeds make by chance; None where no row has two seeds


@dataclass(frozen=True)
class Found:
    """A table with what was found."""

    table: Table
    figures: tuple[Figures, ...]  # of the table's rows

    @property
    def scatter(self) -> Scatter | None:
        """None where no row has two seeds."""
        more = [one.found for one in self.figures if len(one.found) > 1]
        freedom = sum(len(found) - 1 for found in more)
        squares = sum((len(found) - 1) * statistics.variance(found) for found in more)
        return Scatter(math.sqrt(squares / freedom), freedom) if freedom else None

    def difference(self, number: int) -> Difference | None:
        """Of a row; None for the first, which is compared with nothing."""
        if number == 0:
            return None
        one, other, scatter = self.figures[number], self.figures[self.table.reference(number)], self.scatter
        ours, paper = _minus(one.map50, other.map50), _minus(one.row.paper_map, other.row.paper_map)
        if ours is None or scatter is None:
            return Difference(ours, paper, None)
        return Difference(ours, paper, abs(ours) > scatter.least(len(one.found), len(other.found)))

    def to_json(self) -> list[dict[str, Any]]:
        """A plain value a row; mAP as fractions, as all doors print them."""
        return [_row_json(one, self.difference(number)) for number, one in enumerate(self.figures)]


def _row_json(one: Figures, difference: Difference | None) -> dict[str, Any]:
    told = {"row": one.row.label, "run": one.row.name, "map50": _share(one.map50), "spread": _share(one.spread),
            "seeds": len(one.found), "found": [_share(value) for value in one.found],
            "ms": one.ms and round(one.ms, 3), "fps": one.fps and round(one.fps, 2),
            "paper": {"map50": _share(one.row.paper_map), "ms": one.row.paper_ms, "fps": one.row.paper_fps}}
    if difference is not None:
        told["difference"] = {"ours": _share(difference.ours), "paper": _share(difference.paper),
                              "clear": difference.clear}
    return told


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 5)
