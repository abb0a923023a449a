"""The committed page of the race, in Markdown, from its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .engines import ratio
from .goals import Figure, Goal, Verdict, judged
from .tables import TABLES

HEADING = """# Latency: the race against the peers on a CPU

Written by `python benchmarks/peers/latency_race.py`; figures and all samples are in latency-race.json. Each lane is a
process of its own; they take turns, and each tells the processor time of its own calls over all its threads, medians of
the turns. In brackets: 95 % bootstrap intervals over turns. Lanes run on one thread but for those called defaults,
which are as their library comes. Weights of full are random from a seed, those of nano the shipped ones.
"""
ELSEWHERE = """Goals that need a GPU are measured by `make gpu-check`, losses of accuracy are in precision.md.
"""
PEERS = ("ultralytics", "trtutils", "supervision", "openvino", "nncf", "onnxruntime", "opencv-python-headless", "torch",
         "numpy")
SHORT = 5.0  # ms; below, figures are in microseconds


def page_of(report: Mapping[str, Any]) -> str:
    """The page. Tables that have not been run are left out, and their goals said to be so."""
    tables = report["tables"]
    parts = [HEADING, "## Goals\n", _goals(judged(tables)), ELSEWHERE]
    for name, table in TABLES.items():
        if name in tables:
            parts += [f"## {table.told}\n", _run(tables[name]), _lanes(tables[name]["lanes"])]
    if report.get("profiles"):
        parts.append("## Where the time goes, for goals that are missed\n")
        parts += list(_profiles(report["profiles"]))
    return "\n".join(parts)


def limit_told(goal: Goal) -> str:
    return f"{'>=' if goal.at_least else '<='} {goal.limit:g}{_unit(goal)}"


def figure_told(figure: Figure | None, goal: Goal) -> str:
    """The figure, with its interval where it has one."""
    if figure is None:
        return "-"
    middle, low, high = (f"{value:.4g}" for value in figure)
    return f"{middle}{_unit(goal)}" + (f" ({low} to {high})" if low != high else "")


def _goals(verdicts: Sequence[Verdict]) -> str:
    return _table(["figure", "goal", "measured", "met?"],
                  [[verdict.goal.told, limit_told(verdict.goal), figure_told(verdict.figure, verdict.goal),
                    verdict.word] for verdict in verdicts])


def _run(table: Mapping[str, Any]) -> str:
    box = table["machine"]
    versions = ", ".join(f"{name} {box['versions'][name]}" for name in PEERS if name in box["versions"])
    return (f"{box['cpu']}, {box['cores']} cores, load {box['load']:g} when it began, {box['date'][:16]}, "
            f"{table['turns']} turns. {versions}.\n")


def _lanes(lanes: Mapping[str, Mapping[str, Any]]) -> str:
    ours = next(iter(lanes.values()))["samples"]
    cases = [case for case in ours if case != "beside"]
    in_us = max(float(np.median(ours[case])) for case in cases) < SHORT
    unit = "us" if in_us else "ms"
    header = ["", *(f"{case}, {unit}" for case in cases), *(f"{case}: of the first's time" for case in cases),
              "peak RSS MB"]
    differing = any("differs" in lane for lane in lanes.values())
    rows = []
    for name, lane in lanes.items():
        if "absent" in lane:
            rows.append([name, f"did not run: {lane['absent']}", *[""] * (len(header) - 2)])
        else:
            medians = [float(np.median(lane["samples"][case])) for case in cases]
            rows.append([name, *(f"{1000 * ms:.0f}" if in_us else f"{ms:.1f}" for ms in medians),
                         *(_times(ratio(np.array(lane["samples"][case]), np.array(ours[case]))) for case in cases),
                         f"{lane['peak_rss_mb']:.0f}"])
        if differing:
            rows[-1].append(_differing(lane.get("differs", {})))
    return _table(header + (["differs from the first by"] if differing else []), rows)


def _differing(differs: Mapping[str, float | None]) -> str:
    return ", ".join("another count" if value is None else f"{value:.1g}" for value in differs.values())


def _profiles(profiles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in profiles:
        yield f"{one['of']} (misses: {'; '.join(one['goals'])})\n"
        yield _table([one["by"], one["unit"]], [[f"`{name}`", f"{value:g}"] for name, value in one["rows"].items()])


def _times(figure: Figure) -> str:
    middle, low, high = figure
    return f"{middle:.2f}x ({low:.2f} to {high:.2f})"


def _unit(goal: Goal) -> str:
    return f" {goal.unit}" if goal.unit == "%" else goal.unit


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
