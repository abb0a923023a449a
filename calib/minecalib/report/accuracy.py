"""Accuracy in each precision, as rows of the page's table."""

from __future__ import annotations

from dataclasses import dataclass

from minehat.scoring import Score

from ..gate.loss import Loss
from ..gate.trial import Trial, Tried


@dataclass(frozen=True)
class Row:
    """One model on the exam's pictures."""

    name: str
    score: Score
    loss: Loss | None  # against FP32; None for FP32 itself
    kept: bool  # what is written


def rows_of(trial: Trial) -> list[Row]:
    """FP32, FP16 where it can be had and is not what is wanted, the wanted precision as first tried and as taken."""
    rows = [Row("FP32", trial.parent.score, None, False)]
    if trial.fp16 and trial.wish.precision != "fp16":
        answers, loss = trial.fp16
        rows.append(Row("FP16", answers.score, loss, False))
    first, taken = trial.tried[0], trial.chosen
    rows.append(_row(trial, first, "" if first is taken else ", as first tried"))
    if taken is not None and taken is not first:
        rows.append(_row(trial, taken, f", {len(taken.lifted)} lifted"))
    return rows


def _row(trial: Trial, one: Tried, remark: str) -> Row:
    return Row(trial.wish.name.upper() + remark, one.answers.score, one.loss, one is trial.chosen)

