"""The way through the gate: all precisions examined, layers lifted until it holds, or a refusal."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from minehat import scenes
from minehat.errors import MineHatError
from minehat.progress import say
from minehat.scoring.paired import Interval
from onnx import ModelProto

from ..cost import multiplications, relative_cost
from ..job import Job
from ..lowering import Lowered, Wish, lower
from .exam import Answers, Exam
from .loss import GRAIN, Budget, loss_of, recall_loss
from .rendered import TOGETHER, render
from .search import fewest
from .sensitivity import Suspect, suspects
from .told import points, tried_told
from .trial import Trial, Tried

FP32, FP16 = "fp32", "fp16"


class Gate:
    """Judges what is made of one parent. `trial` holds what was seen."""

    def __init__(self, job: Job, measure: ModelProto, exam: Exam, budget: Budget, most_cost: float, heads: int,
                 scratch: Path) -> None:
        """measure: the FP32 model that losses count against. most_cost: estimated arithmetic that lifting may lead to,
        all in INT8 being 1. heads: to be rendered for the second check, 0 for none. scratch: an empty folder for them.
        """
        self._job, self._measure, self._exam, self._budget = job, measure, exam, budget
        self._most_cost, self._heads, self._scratch = most_cost, heads, scratch
        self._layers = job.layers()
        self._counts = multiplications(job.parent.wiring())
        self._newest: tuple[frozenset[str], Lowered] | None = None

    @cached_property
    def trial(self) -> Trial:
        """The parent and its FP16 form, examined."""
        job = self._job
        models = {FP32: self._measure}
        try:
            models[FP16] = lower(job.parent, Wish(FP16), job.seen).judged
        except MineHatError as exc:
            say(f"no FP16 row: {exc}")
        answers = self._exam.sit(models)
        half = answers.get(FP16)
        loss = loss_of(answers[FP32], half, self._budget.watched) if half else None
        return Trial(self._exam, self._budget, job.wish, answers[FP32], (half, loss) if half and loss else None)

    def pass_through(self) -> Lowered:
        """The wanted model, with as few layers lifted as make it hold. Raises MineHatError where none do."""
        if not self._try(frozenset()):
            self._lift()
        if self.trial.chosen is None:
            raise MineHatError(self._refusal())
        return self._lowered(self.trial.chosen.lifted)

    def _lift(self) -> None:
        if not self._layers or not self._job.squares.pictures:
            return
        self.trial.suspects = suspects(self._job)
        lifted = fewest([one.layer.tensor for one in self._affordable(self.trial.suspects)], self._try)
        if lifted is not None:
            self.trial.chosen = next(one for one in self.trial.tried if one.lifted == lifted)

    def _affordable(self, found: Collection[Suspect]) -> list[Suspect]:
        """The first of them that may be lifted together."""
        taken: list[Suspect] = []
        for suspect in found:
            if self._cost([one.layer.tensor for one in (*taken, suspect)]) <= self._most_cost:
                taken.append(suspect)
        return taken

    def _try(self, lifted: frozenset[str]) -> bool:
        trial = self.trial
        known = next((one for one in trial.tried if one.lifted == lifted), None)
        if known is None:
            answers = self._sit(self._exam, self._lowered(lifted))
            loss = loss_of(trial.parent, answers, self._budget.watched)
            rendered = self._on_rendered(lifted) if loss.within(self._budget) else None
            holds = loss.within(self._budget) and (
                rendered is None or rendered.bound <= self._budget.recall + GRAIN)
            known = Tried(lifted, answers, loss, self._cost(lifted), rendered, holds)
            trial.tried.append(known)
            say(tried_told(known))
        if known.holds:
            trial.chosen = known
        return known.holds

    def _on_rendered(self, lifted: frozenset[str]) -> Interval | None:
        if not self._heads or self._budget.watched not in scenes.CLASSES:
            return None
        trial = self.trial
        if trial.rendered is None:
            exam = render(self._scratch, self._heads, self._job.parent.card, self._budget.watched)
            trial.rendered = exam.sit({FP32: self._measure})[FP32]
        answers = self._sit(trial.rendered.exam, self._lowered(lifted))
        return recall_loss(trial.rendered, answers, self._budget.watched, TOGETHER)

    def _lowered(self, lifted: frozenset[str]) -> Lowered:
        """The newest one is kept: it is asked for in both exams, and when it is taken."""
        if self._newest is None or self._newest[0] != lifted:
            self._newest = lifted, self._job.lowered(sorted(lifted))
        return self._newest[1]

    def _sit(self, exam: Exam, lowered: Lowered) -> Answers:
        name = self._job.wish.name
        return exam.sit({name: lowered.judged})[name]

    def _cost(self, lifted: Collection[str]) -> float:
        return relative_cost(self._counts, self._layers, lifted, self._job.wish.precision) if self._layers else 1.0

    def _refusal(self) -> str:
        best = min(self.trial.tried, key=_badness)
        rendered = f", and by its 95 % bound {points(best.rendered.bound)} on rendered ones" if best.rendered else ""
        return (f"{self._job.wish.name} loses {points(best.loss.map50.drop)} points of mAP50 and "
                f"{points(best.loss.recall.drop)} of {self._budget.watched} recall on {self._exam.name} at best"
                f"{rendered}; {100 * self._budget.map50:g} and {100 * self._budget.recall:g} are allowed. Nothing is "
                "written. "
                "Try `--equalise`, more or other `--images`, another `--method`, or fine-tune: "
                "`python export/finetune_int8.py`.")


def _badness(one: Tried) -> tuple[bool, float]:
    """Those that only the rendered heads spoke against come first."""
    lost = one.rendered.bound if one.rendered else one.loss.recall.drop + one.loss.map50.drop
    return one.rendered is None, lost
