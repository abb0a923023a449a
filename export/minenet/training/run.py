"""The training run: epochs, checkpoints, validation, and the place to go on from after any interruption."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.labels import Labelled
from minehat.progress import bar, say

from ..checkpoint import load_checkpoint, save_checkpoint
from ..data.batches import Batch, Turn, batches, epoch_order
from ..data.sources import Sample, Source
from ..evaluation import evaluate
from ..network import MineNet
from .guard import NAMED, refusal
from .learner import Learner
from .logbook import Logbook
from .processes import Processes
from .schedule import rate_at, size_at
from .settings import TrainSettings

SAVE_EVERY = 300.0  # seconds between checkpoints within an epoch
CALM_FROM = 0.9  # share of the run from which there are no mosaics: it ends on pictures as cameras give them


@dataclass
class Place:
    """How far a run has come; what a checkpoint keeps beside the learner's state."""

    epoch: int = 0  # epochs finished
    step: int = 0  # of the epoch that is under way
    total: int = 0  # steps of the whole run so far
    sums: dict[str, float] = field(default_factory=dict)  # of the epoch's loss terms and times
    best: float = -1.0
    since_best: int = 0  # validations
    rows: list[dict[str, float]] = field(default_factory=list)  # of results.csv


class Run:
    """One run in a folder: `last.pt` to go on from, `best.pt` by mAP50, results.csv, curves, TensorBoard's events."""

    def __init__(self, network: MineNet, card: ModelCard, settings: TrainSettings, out: Path,
                 processes: Processes | None = None, val_name: str = "val", asked: dict[str, Any] | None = None,
                 workers: int = 1, save_every: float = SAVE_EVERY, events: bool = True) -> None:
        """asked: what the door was told, kept in last.pt. workers: threads that make batches."""
        self.processes = processes or Processes()
        self.learner = Learner(network, settings, self.processes)
        self.card, self.settings, self.out, self.val_name = card, settings, out, val_name
        self.asked, self.workers, self.save_every, self.events = asked or {}, workers, save_every, events
        self.place = Place()
        settings.share_of(self.processes.count)

    @property
    def network(self) -> MineNet:
        return self.learner.network

    def resume(self, path: Path) -> None:
        """Go on exactly where a `last.pt` was written, be it within an epoch."""
        averaged, _, state = load_checkpoint(path, self.processes.device)
        if state is None:
            raise MineHatError(f"{path} holds weights only, not a run; start from it with --init {path}.")
        try:
            self.learner.load(state["learner"], averaged)
            self.place = Place(**state["place"])
            torch.set_rng_state(state["rng"].cpu())
        except (KeyError, TypeError, ValueError, RuntimeError) as exc:
            raise MineHatError(f"{path} is of another version of MineHat or does not fit this run ({exc}); start anew "
                               f"with --init {path}.") from exc

    def fit(self, sources: Sequence[Source], val: Sequence[Labelled]) -> None:
        """Train to the last epoch, or until validations stop getting better."""
        log = Logbook(self.out, self.place.rows, self.place.total, self.events) if self.processes.is_first else None
        try:
            while self.place.epoch < self.settings.epochs and not self._is_stale():
                self._one_epoch(sources, log)
                row = self._closed_epoch(val)
                self._save()
                if log is not None:
                    log.add(row, self.place.total - 1)
                self.processes.wait()
            if val and self.place.best < 0 and self.place.epoch:  # resumed with fewer --epochs than are done
                self._score(val)
        finally:
            if log is not None:
                log.close()
        if self._is_stale():
            say(f"stopped early: {self.settings.patience} validations in a row were no better than "
                f"{self.place.best:.4f}")

    def _one_epoch(self, sources: Sequence[Source], log: Logbook | None) -> None:
        settings, place = self.settings, self.place
        order = epoch_order(sources, settings.seed, place.epoch)
        steps = len(order) // settings.batch
        if not steps:
            raise MineHatError(f"an epoch of {len(order)} pictures does not fill one batch of {settings.batch}: "
                               "give more pictures or a smaller --batch.")
        began, busy = time.monotonic(), time.process_time()
        saved = began
        for waited, batch in _timed(self._batches(order, steps)):
            values = self.learner.step(batch, rate_at(settings, place.total, steps * settings.epochs))
            self._check(values["loss"], batch)
            if log is not None:
                log.point({**values, "lr": self.learner.optimizer.param_groups[0]["lr"]}, place.total)
            now, spent = time.monotonic(), time.process_time()
            self._count({**values, "seconds": now - began, "waiting": waited, "loading": batch.making,
                         "busy": spent - busy})
            began, busy = now, spent
            if now - saved >= self.save_every and place.step < steps:
                self._save()
                saved = time.monotonic()

    def _batches(self, order: Sequence[Sample], steps: int) -> Iterator[Batch]:
        settings, place = self.settings, self.place
        late = place.epoch >= CALM_FROM * settings.epochs
        how = replace(settings.augment, mosaic=0.0) if late else settings.augment
        turn = Turn(settings.seed, place.epoch, settings.batch, place.step, self.processes.rank, self.processes.count)
        made = batches(order, turn, lambda step: size_at(settings, turn.epoch, step), how, self.workers)
        label = f"epoch {place.epoch + 1}/{settings.epochs}"
        return bar(made, total=steps - place.step, label=label) if self.processes.is_first else made

    def _check(self, loss: float, batch: Batch) -> None:
        """Raise, in every process, with the pictures that broke the step."""
        if loss == loss and abs(loss) != float("inf"):
            return
        where = f"epoch {self.place.epoch + 1}, step {self.place.step + 1}"
        told = self.processes.gathered(str(refusal(self.learner, batch, where, self.out)))
        named = [text for text in told if NAMED in text]
        raise MineHatError((named or told)[0])

    def _count(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.place.sums[name] = self.place.sums.get(name, 0.0) + value
        self.place.step += 1
        self.place.total += 1

    def _closed_epoch(self, val: Sequence[Labelled]) -> dict[str, float]:
        """The epoch's row; the place is at the beginning of the next."""
        place, sums, steps = self.place, self.place.sums, self.place.step
        place.epoch, place.step, place.sums = place.epoch + 1, 0, {}
        row = {"epoch": place.epoch, "lr": self.learner.optimizer.param_groups[0]["lr"],
               **{name: sums[name] / steps for name in ("loss", "box", "obj", "class")},
               "seconds": sums["seconds"], "loading": sums["loading"] / max(sums["busy"], 1e-9),
               "waiting": sums["waiting"] / max(sums["seconds"], 1e-9)}
        due = place.epoch % self.settings.every == 0 or place.epoch == self.settings.epochs
        if due and val:
            row |= self._score(val)
        place.rows.append(row)
        return row

    def _score(self, val: Sequence[Labelled]) -> dict[str, float]:
        """What the first process measures; the others are told no more than whether it is the best."""
        place, measured = self.place, self._validate(val) if self.processes.is_first else {}
        place.best, place.since_best = self.processes.gathered((place.best, place.since_best))[0]
        return measured

    def _validate(self, val: Sequence[Labelled]) -> dict[str, float]:
        place = self.place
        network = self.learner.average.network(self.network)
        found = evaluate(network, val, self.card, self.processes.device, self.settings.precision == "bf16")
        place.since_best += 1
        if found.map50 > place.best:
            place.best, place.since_best = found.map50, 0
            measured = {self.val_name: {"map50": found.map50, "map": found.map}}
            save_checkpoint(self.out / "best.pt", network, self.card.with_(accuracy=measured))
        return {"map50": found.map50, "map": found.map,
                **{f"ap50_{name}": value for name, value in found.ap50.items() if value is not None},
                **{f"recall_{name}": value for name, value in found.recall.items() if value is not None}}

    def _is_stale(self) -> bool:
        return bool(self.settings.patience) and self.place.since_best >= self.settings.patience

    def _save(self) -> None:
        if not self.processes.is_first:
            return
        run = {"learner": self.learner.state(), "place": asdict(self.place), "rng": torch.get_rng_state(),
               "settings": asdict(self.settings), "asked": self.asked}
        save_checkpoint(self.out / "last.pt", self.learner.average.network(self.network), self.card, run)


def _timed(made: Iterator[Batch]) -> Iterator[tuple[float, Batch]]:
    """Each batch with the seconds that it was waited for."""
    began = time.monotonic()
    for batch in made:
        yield time.monotonic() - began, batch
        began = time.monotonic()
