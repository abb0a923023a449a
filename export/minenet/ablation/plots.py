"""A sheet a table: how rows differ, ours beside the paper's; the figures themselves; and mAP against time."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..plots.sheet import GREY, sheet
from .figures import Figures, Found

OURS, PAPERS = "#1f77b4", "#d6322e"
APART = 0.15  # of a row, above and below its middle
LABEL = 24  # characters a line


def plot_table(found: Found, path: str | Path) -> None:
    """Write a .png. Raises MineHatError where matplotlib is missing."""
    with sheet(path, 2.0 + 0.7 * len(found.figures), 1, 2 + found.table.networks_differ) as (first, second, *rest):
        _differences(first, found)
        _absolutes(second, found)
        _name_rows(first, found)
        second.set_yticks(range(len(found.figures)), [])
        for axes in (first, second):
            axes.set_ylim(len(found.figures) - 0.5, -0.5)
        for axes in rest:
            _against_time(axes, found)
        handles, labels = first.get_legend_handles_labels()
        first.figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(handles)))


def _differences(axes: Any, found: Found) -> None:
    """To the row that each is compared with; in the grey band they are not distinguishable."""
    axes.axvline(0, color=GREY, linewidth=1)
    for row, one in enumerate(found.figures):
        other = found.figures[found.table.reference(row)]
        if one.map50 is not None and other.map50 is not None:
            _ours(axes, row, one, -other.map50)
        if one.row.paper_map is not None and other.row.paper_map is not None:
            _papers(axes, row, one.row.paper_map - other.row.paper_map)
    limits = axes.get_xlim()  # bands may reach far beyond them where seeds are few
    for row, one in enumerate(found.figures):
        _band(axes, row, one, found)
    axes.set_xlim(limits)
    axes.set_title(f"difference to the {'row before' if found.table.steps else 'first row'}")
    axes.set_xlabel("points of mAP50")


def _band(axes: Any, row: int, one: Figures, found: Found) -> None:
    """What seeds make by chance between this row and the one that it is compared with."""
    other, scatter = found.figures[found.table.reference(row)], found.scatter
    if row and scatter is not None and one.found and other.found:
        least = scatter.least(len(one.found), len(other.found))
        axes.fill_betweenx([row - 0.42, row + 0.42], -least, least, color=GREY, alpha=0.15, linewidth=0,
                           label=_once(axes, "not distinguishable (95 %)"))


def _absolutes(axes: Any, found: Found) -> None:
    for row, one in enumerate(found.figures):
        if one.map50 is not None:
            _ours(axes, row, one, 0.0)
        if one.row.paper_map is not None:
            _papers(axes, row, one.row.paper_map)
    axes.set_xlim(0, 100)
    axes.set_title("mAP50, %")
    printed = any(one.row.paper_map is not None for one in found.figures)
    axes.set_xlabel("ours on our val" + (", the paper's on its own" if printed else ""))


def _against_time(axes: Any, found: Found) -> None:
    """Relative to the first row, so that both machines can be seen in one picture."""
    ours = [(one.ms, one.map50) for one in found.figures]
    papers = [(one.row.paper_ms, one.row.paper_map) for one in found.figures]
    for points, colour, marker, aside in ((ours, OURS, "o", -15), (papers, PAPERS, "D", 8)):
        for number, (time, gained) in _relative(points):
            axes.plot(time, gained, marker, color=colour, markersize=8)
            axes.annotate(str(number), (time, gained), textcoords="offset points", xytext=(aside, -4), color=colour)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.margins(0.15)
    axes.set_title("gain against time")
    axes.set_xlabel(f"time, that of row 1 = 1{_told_ms(found.figures[0])}")
    axes.set_ylabel("points of mAP50 over row 1")


def _relative(points: Sequence[tuple[float | None, float | None]]) -> list[tuple[int, tuple[float, float]]]:
    """(row from 1, (time by that of the first, points over the first)) of (ms, mAP) where both are known."""
    (first_ms, first_map) = points[0]
    if first_ms is None or first_map is None:
        return []
    return [(number, (ms / first_ms, value - first_map)) for number, (ms, value) in enumerate(points, 1)
            if ms is not None and value is not None]


def _told_ms(first: Figures) -> str:
    told = [*([f"ours {first.ms:.1f} ms"] if first.ms else []),
            *([f"the paper's {first.row.paper_ms} ms"] if first.row.paper_ms else [])]
    return f"\n({', '.join(told)})" if told else ""


def _name_rows(axes: Any, found: Found) -> None:
    labels = [textwrap.fill(f"{number}  {one.row.label}", LABEL) for number, one in enumerate(found.figures, 1)]
    axes.set_yticks(range(len(labels)), labels)


def _ours(axes: Any, row: int, one: Figures, shift: float) -> None:
    """The mean with one standard deviation, and each seed."""
    at = row if one.row.paper_map is None else row - APART
    axes.plot([value + shift for value in one.found], [at] * len(one.found), "|", color=OURS, markersize=13,
              label=_once(axes, "ours, each seed"))
    axes.errorbar((one.map50 or 0.0) + shift, at, xerr=one.spread or 0.0, fmt="o", color=OURS, capsize=4, markersize=8,
                  label=_once(axes, "ours, mean and spread"))


def _papers(axes: Any, row: int, value: float) -> None:
    axes.plot(value, row + APART, "D", color=PAPERS, markersize=8, label=_once(axes, "the paper's"))


def _once(axes: Any, label: str) -> str:
    """The label where the legend has none like it."""
    return "_" if label in axes.get_legend_handles_labels()[1] else label
