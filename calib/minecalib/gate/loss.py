"""What lower precision costs, in accuracy, and how much of that is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from minehat.errors import MineHatError
from minehat.scoring.paired import Interval, hits_of, paired_recall_drop, ranked_map50_drop

from .exam import Answers

GRAIN = 1e-9  # of a fraction; a budget that is met to the last digit is met


@dataclass(frozen=True)
class Budget:
    """How much may be lost. Fractions: 0.005 is half a point."""

    map50: float = 0.005
    recall: float = 0.005  # of the watched class, at the card's threshold
    watched: str = "head"

    def __post_init__(self) -> None:
        for flag, value in (("--max-map-drop", self.map50), ("--max-recall-drop", self.recall)):
            if not 0 <= value <= 1:
                raise MineHatError(f"{flag} {100 * value:g}: give points, 0 to 100.")


@dataclass(frozen=True)
class Loss:
    """By how much a model falls short of the FP32 one on the same pictures."""

    map50: Interval
    recall: Interval  # of the watched class

    def within(self, budget: Budget) -> bool:
        """By what these pictures say themselves."""
        return self.map50.drop <= budget.map50 + GRAIN and self.recall.drop <= budget.recall + GRAIN


def loss_of(parent: Answers, child: Answers, watched: str) -> Loss:
    """Paired over pictures. Raises MineHatError where no picture shows the watched class."""
    map50 = ranked_map50_drop(parent.ranked, child.ranked)
    recall = recall_loss(parent, child, watched)
    if map50 is None or recall is None:
        raise MineHatError(f"{parent.exam.name} shows no {watched}, so its recall cannot be guarded. Give labelled "
                           "pictures that do, or another class: `--gate-class`.")
    return Loss(map50, recall)


def recall_loss(parent: Answers, child: Answers, watched: str, together: int = 1) -> Interval | None:
    """At the card's threshold. together: so many pictures in a row show one place, and are drawn as one."""
    exam = parent.exam
    label = exam.card.classes.index(watched)
    (ours, wanted), (theirs, _) = (hits_of(answers.found, exam.truths, label, exam.card.conf)
                                   for answers in (parent, child))
    starts = np.arange(0, len(wanted), together)
    return paired_recall_drop(*(np.add.reduceat(column, starts) for column in (ours, theirs, wanted)))
