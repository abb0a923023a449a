"""The page: the paper's tables beside ours, with how ours were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .figures import Difference, Figures, Found
from .plan import Plan

HEADER = ("row", "mAP50", "spread", "seeds", "difference", "paper's", "beyond the seeds' scatter?", "ms", "FPS",
          "paper: mAP", "ms", "FPS")
CLEAR = {True: "**yes**", False: "not distinguishable", None: "not known"}


@dataclass(frozen=True)
class Made:
    """How the figures came to be."""

    plan: Plan
    command: str
    machines: tuple[str, ...]  # that trained, in words
    timed_on: str
    minutes: float  # of training and scoring, all runs together
    finished: str  # day of the last run
    runs: Mapping[str, Any]  # as the journal keeps them


def page_of(tables: Sequence[Found], made: Made) -> str:
    """Markdown: how it was made, then a table each with its plot, NAME.png beside the page."""
    plan = made.plan
    parts = ["# Ablation: the paper's rows with our training", "", f"`{made.command}`", "",
             f"- network: {plan.width}, {plan.size}x{plan.size}, from random weights",
             f"- training: {plan.epochs} epochs{_chosen(plan)}, batch {plan.batch}, rate {plan.lr:g}"
             f"{', bf16' if plan.bf16 else ''}, data {', '.join(plan.data)}",
             "- recipe: train.py's modern mode without mine effects and with one answering cell, but in table `recipe`",
             f"- scored once, after the last epoch, on the val split of {plan.val}",
             f"- machine: {'; '.join(made.machines)}",
             f"- took {made.minutes:.0f} minutes for {len(made.runs)} runs, finished {made.finished}",
             f"- ms: on {made.timed_on}; FP32 PyTorch, batch 1, decode included, batch norms not folded; median, all "
             "rows in turns"]
    for found in tables:
        parts += ["", *_section(found)]
    return "\n".join([*parts, "", "## How to read them", "", _caution(plan), ""])


def _chosen(plan: Plan) -> str:
    return "" if plan.budget is None else f" (as many as a budget of {plan.budget:g} minutes held)"


def _section(found: Found) -> list[str]:
    name, reference = found.table.name, "row before" if found.table.steps else "first row"
    rows = [_line(_cells(one, found.difference(number))) for number, one in enumerate(found.figures)]
    return [f"## {name}: {found.table.title}", "", *([found.table.note, ""] if found.table.note else []),
            _line(HEADER), _line(["---", *["---:"] * (len(HEADER) - 1)]), *rows, "",
            f"Differences are to the {reference}, in points. {_told_scatter(found)}", "", f"![{name}]({name}.png)"]


def _cells(one: Figures, difference: Difference | None) -> list[str]:
    paper = ["-" if figure is None else str(figure) for figure in (one.row.paper_ms, one.row.paper_fps)]
    against = ["", "", ""] if difference is None else [_number(difference.ours, "+.1f"),
                                                       _number(difference.paper, "+.1f"), CLEAR[difference.clear]]
    seeds = str(one.asked) if len(one.found) == one.asked else f"**{len(one.found)} of {one.asked}**"
    return [one.row.label, _number(one.map50), _number(one.spread), seeds, *against, _number(one.ms), _number(one.fps),
            _number(one.row.paper_map), *paper]


def _number(value: float | None, form: str = ".1f") -> str:
    return "-" if value is None else format(value, form)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _told_scatter(found: Found) -> str:
    scatter, seeds = found.scatter, max(len(one.found) for one in found.figures)
    if scatter is None:
        return "With one seed nobody knows which of them are chance."
    return (f"Seeds of a row scatter by {scatter.points:.1f} (standard deviation, pooled over the rows, "
            f"{scatter.freedom} degrees of freedom): two rows of {seeds} seeds differ beyond that (95 %, Student's t) "
            f"from {scatter.least(seeds, seeds):.1f} points on.")


def _caution(plan: Plan) -> str:
    return (f"Figures after few epochs rank nothing: these are of {plan.epochs} epochs from random weights. The paper "
            "pre-trained its networks, trained for longer on its own mine frames, and timed them on another machine; "
            "it prints no spread. So compare how rows differ, not the figures themselves, and take a difference that "
            "is not distinguishable for no difference. One in twenty of those that are would come by chance.")


def page_json(tables: Sequence[Found], made: Made) -> dict[str, Any]:
    """All that the page tells, and each run, as plain values."""
    plan = made.plan
    return {"command": made.command, "machines": list(made.machines), "timed_on": made.timed_on,
            "minutes": round(made.minutes, 1), "finished": made.finished, "epochs": plan.epochs,
            "budget_minutes": plan.budget, "width": plan.width, "batch": plan.batch, "size": plan.size, "lr": plan.lr,
            "bf16": plan.bf16, "data": list(plan.data), "val": plan.val,
            "tables": {found.table.name: found.to_json() for found in tables}, "runs": dict(made.runs)}
