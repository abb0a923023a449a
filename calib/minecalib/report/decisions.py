"""What the FP32 model and the lowered one say of the same pictures: scores that shift, decisions that change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.detections import Detections
from minehat.labels import Labelled
from minehat.scoring.matching import Pairing, hit_truths, pair_up

from ..gate.exam import Answers

LEAST = 0.02  # score, of detections that are looked for in the other model's answer
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Shift:
    """Detections that both models made: of one class, overlapping by IoU 0.5 at least. Row i is one of them."""

    before: Array  # [n] float32, FP32's score
    after: Array
    labels: Array  # [n] int64


@dataclass(frozen=True)
class Change:
    """Decisions of one picture, at the threshold, that are others than FP32's."""

    row: int  # of the picture
    before: Detections  # FP32's over the threshold
    after: Detections
    lost: Array  # rows of truths that FP32 finds and the lowered model does not
    found: Array  # rows of truths, the other way round
    came: Array  # rows of `after`: false, where FP32 has no false one
    gone: Array  # rows of `before`: false, and not there any more

    def counts(self, label: int, truth: Labelled) -> tuple[int, int, int, int]:
        """Lost, found, came, gone of a class."""
        return (int((truth.labels[self.lost] == label).sum()), int((truth.labels[self.found] == label).sum()),
                int((self.after.labels[self.came] == label).sum()), int((self.before.labels[self.gone] == label).sum()))


def shift_of(parent: Answers, child: Answers) -> Shift:
    """Over all pictures of the exam."""
    rows = [_shifted(ours[ours.scores >= LEAST], theirs[theirs.scores >= LEAST])
            for ours, theirs in zip(parent.found, child.found, strict=True)]
    return Shift(*(np.concatenate([np.zeros(0, kind), *column]) for kind, column in
                   zip((np.float32, np.float32, np.int64), zip(*rows, strict=True), strict=True)))


def changes_of(parent: Answers, child: Answers, watched: str) -> list[Change]:
    """Of the pictures that have any, the worst first: whose watched ones are lost, then whose others, then those
    with new false alarms."""
    exam = parent.exam
    conf, label = exam.card.conf, exam.card.classes.index(watched)
    pictures = zip(parent.found, child.found, exam.truths, strict=True)
    found = [_change(row, ours[ours.scores >= conf], theirs[theirs.scores >= conf], truth)
             for row, (ours, theirs, truth) in enumerate(pictures)]

    def badness(change: Change) -> tuple[int, ...]:
        lost, won, came, gone = change.counts(label, exam.truths[change.row])
        return lost, len(change.lost), came, len(change.came), won, len(change.found), gone, len(change.gone)

    changed = [one for one in found if any(map(len, (one.lost, one.found, one.came, one.gone)))]
    return sorted(changed, key=badness, reverse=True)


def totals(changes: Sequence[Change], truths: Sequence[Labelled], classes: int) -> Array:
    """[classes, 4] int: lost, found, came, gone."""
    return sum((np.array([one.counts(label, truths[one.row]) for label in range(classes)]) for one in changes),
               np.zeros((classes, 4), int))


def _shifted(ours: Detections, theirs: Detections) -> tuple[Array, Array, Array]:
    partner = _partners(theirs, ours)
    known = partner >= 0
    return ours.scores[partner[known]], theirs.scores[known], theirs.labels[known]


def _partners(seen: Detections, others: Detections) -> Array:
    """[n] which of the others each stands for, -1 for none: as if the others were the truth."""
    return pair_up(seen, Labelled(Path(), others.boxes, others.labels, np.zeros(len(others), bool), None)).hits


def _change(row: int, ours: Detections, theirs: Detections, truth: Labelled) -> Change:
    before, after = pair_up(ours, truth), pair_up(theirs, truth)
    hit, still = hit_truths(truth, before), hit_truths(truth, after)
    false, false_now = _false(before), _false(after)
    partners = _partners(theirs[false_now], ours[false])
    stayed = false[partners[partners >= 0]]
    return Change(row, ours, theirs, np.flatnonzero(hit & ~still), np.flatnonzero(still & ~hit),
                  false_now[partners < 0], np.setdiff1d(false, stayed))


def _false(pairing: Pairing) -> Array:
    return np.flatnonzero((pairing.hits < 0) & ~pairing.excused)
