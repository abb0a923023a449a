"""The paper's tables beside ours: figures of each row, and the page that shows them with how they were made."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .runs import Plan, Row

HEADER = ("row", "mAP50", "spread", "seeds", "ms", "FPS", "paper: mAP", "ms", "FPS")


@dataclass(frozen=True)
class Figures:
    """A row's figures beside the paper's. mAP in percent."""

    row: Row  # with what the paper prints
    map50: float  # mean over the seeds
    spread: float | None  # standard deviation over the seeds; None with one seed
    seeds: int
    ms: float  # a picture, batch 1

    @property
    def fps(self) -> float:
        return 1000 / self.ms

    def to_json(self) -> dict[str, Any]:
        """Plain values; mAP as fractions, as all doors print them."""
        return {"row": self.row.label, "map50": round(self.map50 / 100, 5),
                "spread": None if self.spread is None else round(self.spread / 100, 5), "seeds": self.seeds,
                "ms": round(self.ms, 3), "fps": round(self.fps, 2),
                "paper": {"map50": round(self.row.paper_map / 100, 3), "ms": self.row.paper_ms,
                          "fps": self.row.paper_fps}}


def figures_of(row: Row, found: Sequence[float], ms: float) -> Figures:
    """`found`: the mAP50 (0..1) of each seed."""
    percents = [100 * share for share in found]
    return Figures(row, statistics.mean(percents), statistics.stdev(percents) if len(percents) > 1 else None,
                   len(percents), ms)


def page_of(tables: Mapping[str, Sequence[Figures]], plan: Plan, command: str, machine: Mapping[str, Any]) -> str:
    """Markdown: how it was made, then a table each."""
    parts = ["# Ablation: the paper's rows with our training", "", f"`{command}`", "",
             f"- network: {plan.width}, {plan.size}x{plan.size}, from random weights",
             f"- training: {plan.epochs} epochs, batch {plan.batch}, rate {plan.lr:g}"
             f"{', bf16' if plan.bf16 else ''}, data {', '.join(plan.data)}",
             f"- scored once, after the last epoch, on the val split of {plan.val}",
             f"- machine: {machine['device']}, {machine['cores']} cores, {machine['threads']} threads, "
             f"torch {machine['torch']}",
             "- ms: FP32 PyTorch, batch 1, decode included, batch norms not folded; median, all rows in turns"]
    for name, figures in tables.items():
        parts += ["", f"## {name}", "", _line(HEADER), _line(["---", *["---:"] * (len(HEADER) - 1)]),
                  *(_line(_cells(one)) for one in figures)]
    return "\n".join([*parts, "", _caution(tables, plan), ""])


def _cells(one: Figures) -> list[str]:
    paper = ["-" if figure is None else str(figure) for figure in (one.row.paper_ms, one.row.paper_fps)]
    return [one.row.label, f"{one.map50:.1f}", "-" if one.spread is None else f"{one.spread:.1f}", str(one.seeds),
            f"{one.ms:.1f}", f"{one.fps:.1f}", f"{one.row.paper_map:.1f}", *paper]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _caution(tables: Mapping[str, Sequence[Figures]], plan: Plan) -> str:
    seeds = {one.seeds for figures in tables.values() for one in figures}
    unknown = " With one seed that spread is not known." if 1 in seeds else ""
    return (f"Figures after few epochs rank nothing: these are of {plan.epochs} epochs from random weights, and rows "
            f"that differ by no more than the spread between seeds (one standard deviation) do not differ.{unknown} "
            "The paper pre-trained its networks, trained for longer on its own mine frames, and timed them on "
            "another machine: compare how rows differ, not the figures themselves.")
