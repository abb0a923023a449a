"""How many epochs fit into a budget of minutes: a few steps of each row are timed on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from minehat.errors import MineHatError
from minehat.files import make_folder
from minehat.labels import Labelled
from minehat.progress import bar, say

from ..checkpoint import save_checkpoint
from ..data.batches import Turn, batches, epoch_order
from ..data.sources import Sample, Source
from ..evaluation import evaluate
from ..training.learner import Learner
from ..training.processes import Processes
from .plan import Plan
from .rows import Row
from .start import card_of, new_network

WARMUP, STEPS, ENOUGH = 3, 8, 20.0  # steps that do not count, steps that do, seconds after which fewer do
SCORED = 8  # pictures of val
SPARE = 0.1  # share of the budget for what is not measured: curves, a machine that slows down

Job = tuple[Row, Sequence[Source]]


@dataclass(frozen=True)
class Pace:
    """Seconds that a row takes on this machine."""

    step: float
    picture: float  # of val, to be scored
    saving: float  # a checkpoint


@dataclass(frozen=True)
class Cost:
    """Seconds that runs take together."""

    epoch: float  # one of each run
    scoring: float  # of each run, once


def with_epochs(plan: Plan, jobs: Sequence[Job], val: Sequence[Labelled], out: Path, device: str,
                began: float) -> Plan:
    """The plan with as many whole epochs as its budget holds for all jobs, scoring included.

    began: by the monotonic clock, when the budget began to be spent. Raises MineHatError where it is too little for
    one epoch, with the minutes that one takes.
    """
    cost = _cost(plan, jobs, val, out, device)
    return replace(plan, epochs=_epochs(plan.budget or 0.0, len(jobs), cost, time.monotonic() - began))


def _epochs(minutes: float, runs: int, cost: Cost, spent: float) -> int:
    """spent: seconds of the budget that are gone."""
    told = (f"an epoch of all {runs} runs takes {cost.epoch / 60:.1f} minutes here, scoring them at the end "
            f"{cost.scoring / 60:.1f}")
    epochs = int((60 * minutes * (1 - SPARE) - spent - cost.scoring) / cost.epoch)
    if epochs < 1:
        least = math.ceil((spent + cost.scoring + cost.epoch) / (1 - SPARE) / 60)
        raise MineHatError(f"--budget {minutes:g}: {told}. Give --budget {least} or more, or ask for less: a smaller "
                           "--size or --width, fewer --seeds, fewer --table.")
    say(f"--budget {minutes:g}: {told}, and {100 * SPARE:.0f} % are kept to spare: {epochs} epochs for every row")
    return epochs


def _cost(plan: Plan, jobs: Sequence[Job], val: Sequence[Labelled], out: Path, device: str) -> Cost:
    paces: dict[str, Pace] = {}
    distinct = {row.pace: (row, sources) for row, sources in jobs}
    for row, sources in bar(distinct.values(), len(distinct), "timing the rows"):
        paces[row.pace] = _pace(row, plan, sources, val, out, device)
    epochs = [paces[row.pace].step * (len(epoch_order(sources, 0, 0)) // plan.batch) + paces[row.pace].saving
              for row, sources in jobs]
    return Cost(sum(epochs), len(val) * sum(paces[row.pace].picture for row, _ in jobs))


def _pace(row: Row, plan: Plan, sources: Sequence[Source], val: Sequence[Labelled], out: Path, device: str) -> Pace:
    """Of a network in training, pictures made and scored as in a run; nothing of it is kept."""
    settings = replace(plan, epochs=1).settings(row, 0)
    learner = Learner(new_network(row, plan, sources, 0), settings, Processes(device))
    step = _step_seconds(learner, epoch_order(sources, 0, 0))
    network, card, few = learner.average.network(learner.network), card_of(row, plan, sources), val[:SCORED]
    scoring = _seconds(lambda: evaluate(network, few, card, device, plan.bf16))
    make_folder(out)
    with TemporaryDirectory(dir=out) as folder:
        saving = _seconds(lambda: save_checkpoint(Path(folder) / "last.pt", network, card, learner.state()))
    return Pace(step, scoring / max(1, len(few)), saving)


def _step_seconds(learner: Learner, order: Sequence[Sample]) -> float:
    """Mean seconds of a step, pictures made meanwhile as in a run."""
    settings, ends = learner.settings, list[float]()
    again = list(order) * math.ceil((WARMUP + STEPS) * settings.batch / len(order))
    made = batches(again, Turn(0, 0, settings.batch), lambda step: settings.size, settings.augment)
    with closing(made):
        for number, batch in enumerate(made, 1):
            learner.step(batch, rate=0.0)
            if number >= WARMUP:
                ends.append(time.monotonic())
            if len(ends) > STEPS or (len(ends) > 1 and ends[-1] - ends[0] > ENOUGH):
                break
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
