"""What the gate saw: the models examined, the layers that were lifted, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from minehat.scoring.paired import Interval

from ..lowering import Wish
from .exam import Answers, Exam
from .loss import Budget, Loss
from .sensitivity import Suspect


@dataclass(frozen=True)
class Tried:
    """A set of lifted layers and what came of it."""

    lifted: frozenset[str]
    answers: Answers
    loss: Loss
    cost: float  # estimated arithmetic, all layers in INT8 being 1
    rendered: Interval | None  # lost recall of the watched class on rendered scenes; None where not looked at
    holds: bool


@dataclass
class Trial:
    """Everything that the gate saw, as it goes on."""

    exam: Exam
    budget: Budget
    wish: Wish
    parent: Answers
    fp16: tuple[Answers, Loss] | None  # None where FP16 cannot hold the model
    tried: list[Tried] = field(default_factory=list)
    suspects: Sequence[Suspect] = ()  # the most suspected first; none where nothing needed lifting
    rendered: Answers | None = None  # the parent's, on rendered scenes
    chosen: Tried | None = None  # None while, and where, nothing passes
