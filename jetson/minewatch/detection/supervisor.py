"""The detector as the watch holds it: a process that is fed, timed, and replaced when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError

from ..cameras.source import SourceLost
from ..clock import Clock
from ..config.schema import DetectorPart
from ..judging.history import labels_of
from ..status import DetectorStatus
from . import standing as stand
from .answers import Answer, Change, Held
from .candidate import Candidate, sight
from .messages import Found, FromDetector, Gone, Load, Look, Model, Place, Ready, Said
from .wire import Wire
from .worker import ENTRY, Worker

PROBATION = 60.0  # seconds in which a new model that fails gives way to the old one
LAST_WORD = 0.25  # seconds for a process that hung up to tell how it ended


@dataclass(frozen=True)
class _Before:
    """The model that a new one took the place of, in case it must come back."""

    model: Model
    standing: stand.Standing
    ready: Ready | None
    until: float


class Detector(Generic[Held]):
    """Holds at most one batch of pictures, one process, and a second one while a new model is tried.

    entry: "module:function" that the process runs. All methods return at once.
    """

    def __init__(self, model: Model, part: DetectorPart, fallback: Model | None, clock: Clock,
                 entry: str = ENTRY) -> None:
        self.lost = 0  # pictures that a process was given, and nobody looked at
        self._model, self._fallback, self._part, self._clock, self._entry = model, fallback, part, clock, entry
        limits = stand.Limits(part.load_seconds, part.hang_seconds)
        self._standing = stand.Standing(limits, fallback is not None, next_try=clock.monotonic())
        self._told, self._final = (self._standing.name, False), False
        self._worker: Worker | None = None
        self._ready: Ready | None = None
        self._silent: float | None = None  # since when the process has hung up
        self._number = 0
        self._pictures: tuple[Held, ...] = ()
        self._batch_ms: float | None = None
        self._candidate: Candidate | None = None
        self._rehearsing: Candidate | None = None  # whose frames the batch is that is looked at
        self._before: _Before | None = None
        self._spare: Worker | None = None  # of the model before, until the new one has looked at live frames
        self._leaving: list[Worker] = []
        self._news: list[Change] = []
        self._stopped = False

    @property
    def idle(self) -> bool:
        """Whether a batch can be submitted."""
        return self._standing.phase == "idle"

    @property
    def looking(self) -> bool:
        """Whether a process is there that answers."""
        return self._standing.phase in ("idle", "busy")

    @property
    def on_trial(self) -> str:
        """The file of the model that is on trial; "" for none."""
        return self._candidate.model.file if self._candidate else ""

    @property
    def file(self) -> str:
        """Of the model that is its first choice."""
        return self._model.file

    def stays_with(self, model: Model) -> bool:
        """Whether it is the model that runs, or is to run, and no other one is on trial."""
        return model == self._model and self._candidate is None

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the model that was loaded last; () before the first."""
        return self._ready.classes if self._ready else ()

    @property
    def pid(self) -> int | None:
        """Of the process that looks, or will."""
        return self._worker.pid if self._worker else None

    @property
    def stopped(self) -> bool:
        """Whether, after `stop`, all processes are gone."""
        self._leaving = [worker for worker in self._leaving if not worker.ended]
        return self._stopped and not self._leaving

    def waitables(self) -> list[Wire]:
        """`turn` when one of these can be read, or after 0.25 s."""
        workers = [self._worker, self._candidate.worker if self._candidate else None]
        return [wire for worker in workers if worker for wire in worker.waitables]

    def submit(self, pictures: Sequence[Held], now: float) -> None:
        """Look at these together, `batch` of them at most; they are the detector's until an Answer gives them back.

        Raises ValueError unless it is idle.
        """
        if not self.idle:
            raise ValueError("the detector takes one batch at a time: see `idle`")
        self._pictures = tuple(pictures)
        self._ask(tuple(picture.place for picture in pictures), now)

    def turn(self, now: float) -> list[Answer[Held] | Change]:
        """Hear the processes, replace what failed, go on with a trial."""
        if self._stopped:
            return []
        told: list[Answer[Held] | Change] = []
        try:
            for message in self._worker.received() if self._worker else ():
                told += self._hear(message, now)
        except Exception as exc:  # a process that speaks nonsense is given up, too
            self._fail("error", f"what the detector's process said was not understood: {exc!r}", now)
        self._watch_over(now)
        if self._candidate:
            self._go_on_with(self._candidate, now)
        self._leaving = [worker for worker in self._leaving if not worker.ended]
        self._note_standing()
        told, self._news = [*told, *self._news], []
        return told

    def replace(self, part: DetectorPart, fallback: Model | None) -> None:
        """Other limits, and another second choice, for processes that are started from now on; limits hold at once."""
        self._part, self._fallback = part, fallback
        limits = stand.Limits(part.load_seconds, part.hang_seconds)
        self._standing = replace(self._standing, limits=limits, has_fallback=fallback is not None)

    def try_model(self, model: Model, frames: Sequence[npt.NDArray[np.uint8]], known: bool = False) -> None:
        """Try another model on uint8 [h, w, 3] BGR frames beside the one that runs, and swap where it does well.

        Of them the last `batch` are looked at. What came of it is a Change, "swapped" or "refused". A trial that is
        still running gives way to this one.

        known: it ran here before, and comes back: it need only answer, and is not held against the one that runs.
        """
        if self._candidate:
            self._bury(self._candidate.close())
            self._candidate = None
        try:
            self._candidate = Candidate(model, frames, self._part, self._entry, self._clock.monotonic(),
                                        known)
        except (OSError, SourceLost) as exc:
            self._refuse(model, Path(model.file).name, f"there is no room for its trial: {exc}")

    def status(self) -> DetectorStatus:
        """For the page and the metrics."""
        ready, standing = self._ready if self.looking else None, self._standing
        return DetectorStatus(
            standing.name, model=ready.name if ready else Path(self._chosen.file).name,
            backend=ready.backend if ready else self._chosen.backend, sha256=ready.sha256 if ready else "",
            text=standing.text, fallback=standing.fallback, batch_ms=self._batch_ms, replaced=standing.replaced,
            trial=f"{self._candidate.name} is on trial" if self._candidate else "", looking=self.looking,
            lost=self.lost)

    def stop(self) -> None:
        """Give back what is being looked at, and put all processes to death. `stopped` tells when they are gone."""
        self._stopped = True
        self._give_back()
        for worker in (self._worker, self._spare, self._candidate.close() if self._candidate else None):
            self._bury(worker)
        self._worker = self._spare = self._candidate = None

    @property
    def _chosen(self) -> Model:
        """The model that runs, or is to run."""
        return self._fallback if self._fallback and self._standing.fallback else self._model

    def _ask(self, places: tuple[Place, ...], now: float) -> None:
        self._number += 1
        self._standing = stand.asked(self._standing, now)
        if self._worker:
            self._worker.send(Look(self._number, places))

    def _hear(self, message: FromDetector, now: float) -> list[Answer[Held]]:
        if isinstance(message, Ready):
            self._greet(message, now)
        elif isinstance(message, Said):
            self._news.append(Change("said", self._standing.name, text=message.text))
        elif isinstance(message, Gone):
            self._fail(message.cause, message.text, now, message.final)
        elif message.number == self._number and self._standing.phase == "busy":
            return self._take(message, now)
        return []

    def _greet(self, ready: Ready, now: float) -> None:
        """A model is loaded; one that knows no heads, as a second choice may be, is as good as none."""
        try:
            labels_of(ready.classes)
        except MineHatError as exc:
            self._fail("load", str(exc), now, final=True)
        else:
            self._ready, self._standing = ready, stand.ready(self._standing, now)

    def _take(self, message: Found, now: float) -> list[Answer[Held]]:
        """The answer to the batch that was asked for last."""
        self._standing = stand.answered(self._standing, now)
        if self._rehearsing:
            self._rehearsing.take_old(sight(self._ready, message))
            self._rehearsing = None
            return []
        self._batch_ms = message.ms
        self._bury(self._spare)
        self._spare = None
        pairs = [(picture, found) for picture, found in zip(self._pictures, message.found, strict=True)
                 if found is not None]
        unread = [picture for picture, found in zip(self._pictures, message.found, strict=True) if found is None]
        self._pictures = tuple(unread)
        self._give_back()
        if not pairs:
            return []
        return [Answer(tuple(picture for picture, _ in pairs), tuple(found for _, found in pairs), message.ms)]

    def _watch_over(self, now: float) -> None:
        """Notice a process that died or hangs, and start one where there is none."""
        if self._worker and self._worker.hung_up:
            self._silent = now if self._silent is None else self._silent
            if self._worker.ended or now - self._silent > LAST_WORD:
                self._fail("killed", self._worker.epitaph, now)
        elif stand.hangs(self._standing, now):
            what = "loading the model" if self._standing.phase == "loading" else "looking at a batch"
            self._fail("hang", f"{what} took more than {self._standing.patience:.1f} s", now)
        if stand.must_start(self._standing, now):
            self._start(now)
        self._standing = stand.rested(self._standing, now)

    def _start(self, now: float) -> None:
        self._standing = stand.started(self._standing, now)
        try:
            self._worker = Worker(Load(self._chosen, self._part.threads), self._entry)
        except OSError as exc:
            self._fail("error", f"no process can be started: {exc}", now)

    def _fail(self, cause: str, text: str, now: float, final: bool = False) -> None:
        """The process is given up, with what it was looking at."""
        self._give_back()
        self._bury(self._worker)
        self._worker = self._silent = self._rehearsing = None
        self._final = final and self._ready is None
        if self._before and now < self._before.until:
            self._return_to(self._before, text, now)
        else:
            self._standing = stand.failed(self._standing, cause, text, final, now)

    def _give_back(self) -> None:
        self.lost += len(self._pictures)
        for picture in self._pictures:
            picture.free()
        self._pictures = ()

    def _bury(self, worker: Worker | None) -> None:
        if worker:
            worker.kill()
            worker.close()
            self._leaving.append(worker)

    def _note_standing(self) -> None:
        """A Change, where it stands otherwise than was told last."""
        standing = self._standing
        if (standing.name, standing.fallback) != self._told:
            self._told = standing.name, standing.fallback
            self._news.append(Change("standing", standing.name, standing.cause if standing.name != "ready" else "",
                                     standing.text, self._final and not standing.fallback))

    def _go_on_with(self, candidate: Candidate, now: float) -> None:
        """Have the old model look at the frames of the trial, and end it when both have."""
        candidate.turn(now)
        alone = self._standing.degraded and self._standing.phase == "none"
        if candidate.seen and candidate.old is None and not (alone or candidate.known or candidate.refusal):
            if self.idle:
                self._rehearsing = candidate
                self._ask(candidate.stage.places, now)
            return
        if candidate.seen and not candidate.refusal and (self.idle or alone):
            candidate.judge()
            if not candidate.refusal:
                self._swap(candidate, now)
        if candidate.refusal:
            self._bury(candidate.close())
            self._candidate = None
            self._refuse(candidate.model, candidate.name, candidate.refusal)

    def _refuse(self, model: Model, name: str, why: str) -> None:
        self._news.append(Change("refused", self._standing.name, "trial",
                                 f"{name}: {why.rstrip('.')}. The model that was running goes on.", file=model.file))

    def _swap(self, candidate: Candidate, now: float) -> None:
        """Between two batches. The old process stays until the new one has looked at live frames."""
        self._before = _Before(self._model, self._standing, self._ready, now + PROBATION)
        self._bury(self._spare)
        self._spare, self._worker = self._worker, candidate.close()
        self._model, self._ready, self._candidate, self._final = candidate.model, candidate.ready, None, False
        self._standing = stand.renewed(self._standing, now)
        self._news.append(Change("swapped", self._standing.name, text=f"{candidate.name}: {candidate.proof}.",
                                 file=candidate.model.file))

    def _return_to(self, before: _Before, text: str, now: float) -> None:
        """The new model failed early: the old one takes over, in its old process where that is still there."""
        self._news.append(Change("refused", self._standing.name, "failed", f"{Path(self._model.file).name} failed "
                                 f"within {PROBATION:.0f} s: {text}. The model before it takes over again.",
                                 file=self._model.file))
        self._model, self._ready, self._before = before.model, before.ready, None
        self._worker, self._spare = self._spare, None
        self._standing = replace(before.standing, phase="idle" if self._worker else "none", since=now, next_try=now,
                                 replaced=self._standing.replaced + 1)
