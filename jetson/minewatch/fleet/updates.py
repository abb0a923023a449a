"""Updates as the watch holds them: looked for, put to trial through its reload, kept or taken back. Nothing waits."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from minehat.errors import MineHatError

from ..clock import Clock
from ..config.schema import Config
from ..config.secrets import revealed
from ..logs import logger
from ..status import Status
from . import trial as on_trial
from .errand import Errand
from .release import release_here
from .tasks import Done, Task, asked
from .update import KEY

LONGEST = 3600.0  # seconds of an errand; more is a disk or server that hangs
AGAIN = 30.0  # seconds before an errand that failed is done again
FIRST_LOOK = 10.0  # seconds after the watch began

log = logger("updates")


@dataclass(frozen=True)
class Told:
    """For an event."""

    kind: Literal["update_applied", "update_refused"]
    cause: str
    text: str


@dataclass(frozen=True)
class Reload:
    """The configuration file is another one now: read it. back: it is the one from before an update."""

    back: bool = False


Word = Told | Reload


class Updates:
    """One errand at a time, and at most one update on trial."""

    def __init__(self, config: Config, path: Path, clock: Clock) -> None:
        self._config, self._path, self._clock, self._release = config, path.absolute(), clock, release_here()
        self._errand: Errand | None = None
        self._leaving: list[Errand] = []
        self._found: Done | None = None  # whole and verified, and not yet on trial
        self._trial: on_trial.Trial | None = None
        self._ours = False  # the next reload is of the trial
        self._status: Status | None = None
        self._asked = asked(config.state).exists()  # a person brought one
        self._next_look = clock.monotonic() + min(FIRST_LOOK, config.updates.every)
        self._next_try = float("-inf")  # of an errand that failed
        self._fault = ""

    def waitables(self) -> list[Any]:
        """What `multiprocessing.connection.wait` is to wait for."""
        return self._errand.waitables if self._errand else []

    def replace(self, config: Config) -> None:
        """Another configuration holds."""
        self._config = config

    def nudge(self) -> None:
        """A person may have brought an update: look now."""
        if asked(self._config.state).exists():
            self._asked, self._next_look = True, float("-inf")

    def show(self, status: Status) -> None:
        """How it all stands now."""
        self._status = status

    def turn(self, now: float, frames: bool) -> list[Word]:
        """frames: whether there are any that a new model could be tried on. now: monotonic."""
        self._leaving = [errand for errand in self._leaving if not errand.ended]
        words: list[Word] = []
        if self._errand:
            words += self._hear(self._errand, now)
        if self._errand is None and not self._leaving and now >= self._next_try:
            self._begin(now, frames)
        return words

    def reloaded(self, model: str, now: float) -> None:
        """The watch took what the file says; model: of which the detector begins a trial, "" for none."""
        if self._trial and self._ours:
            self._trial, self._ours = on_trial.reloaded(self._trial, model, now), False

    def config_refused(self, text: str) -> None:
        """The watch did not take it."""
        if self._trial and self._ours:
            self._trial, self._ours = on_trial.config_refused(self._trial, text), False

    def model_heard(self, kind: str, file: str, text: str, now: float) -> None:
        """A model took over, or was refused."""
        if self._trial:
            self._trial = on_trial.heard(self._trial, kind, file, text, now)

    def stop(self) -> None:
        """What goes on is left as a power cut would leave it."""
        for errand in (*self._leaving, *((self._errand,) if self._errand else ())):
            errand.bury()
        self._errand, self._leaving = None, []

    def _begin(self, now: float, frames: bool) -> None:
        """The next errand, where one is due."""
        if self._trial and self._found:
            self._weigh(self._trial, self._found, now)
        elif self._found and (frames or not self._found.model):
            self._send(self._task("apply", digest=self._found.digest), now)
        elif now >= self._next_look and (self._config.updates.sources or self._config.updates.report or self._asked):
            self._next_look, self._asked = now + self._config.updates.every, False
            self._look(now)

    def _weigh(self, trial: on_trial.Trial, found: Done, now: float) -> None:
        watching, text = (self._status.watching, self._status.text) if self._status else (False, "")
        self._trial, verdict = on_trial.judged(trial, watching, text, now)
        if verdict == "stays":
            self._send(self._task("keep", digest=found.digest), now)
        elif verdict == "goes":
            self._send(self._task("undo", digest=found.digest, cause=self._trial.cause,
                                  text=f"{found.told}: {self._trial.fault}"), now)

    def _look(self, now: float) -> None:
        part = self._config.updates
        try:
            login = {"user": part.user or "", "password": revealed(part.password) or "", "ca": str(part.ca or "")}
        except MineHatError as exc:
            self._note(str(exc))
        else:
            self._send(self._task("look", sources=part.sources, login=login, report=part.report or "",
                                  about=self._about()), now)

    def _send(self, task: Task, now: float) -> None:
        try:
            self._errand = Errand(task, now)
        except OSError as exc:
            self._next_try = now + AGAIN
            self._note(f"no process can be started: {exc.strerror}")

    def _hear(self, errand: Errand, now: float) -> list[Word]:
        came = errand.turn()
        if came is None and now - errand.began > LONGEST:
            came = f"it took longer than {LONGEST:.0f} s: a disk or a server hangs"
        if came is None:
            return []
        errand.kill()
        self._leaving.append(errand)
        self._errand = None
        if isinstance(came, str):
            return self._failed(errand.task, came, now)
        self._fault = ""
        refused: list[Word] = [Told("update_refused", cause, text) for cause, text in came.refusals]
        return [*refused, *self._took(errand.task.what, came, now)]

    def _took(self, what: str, came: Done, now: float) -> list[Word]:
        if what == "look":
            self._found = came if came.digest else None
        elif what == "apply" and came.digest:
            watched = bool(self._status and self._status.watching)
            self._trial, self._ours = on_trial.Trial(self._config.updates.settle, watched, now), True
            log.info("is on trial", update=came.told)
            return [Reload()]
        elif what in ("keep", "undo"):
            self._end(now)
            return [Told("update_applied", "", came.told)] if came.digest else [Reload(back=True)]
        else:
            self._found = None
        return []

    def _failed(self, task: Task, text: str, now: float) -> list[Word]:
        """Of our own making, or a disk's: it is tried again."""
        self._note(text)
        self._next_try = now + AGAIN
        if task.what == "look":  # what a person brought does not wait for the next one
            self.nudge()
        if task.what == "apply":  # how far it came is not known: as after a power cut
            self._send(self._task("undo", digest=task.digest, cause="place", text=f"could not be tried: {text}"), now)
        return []

    def _end(self, now: float) -> None:
        """Of a trial. The next look is due at once: reports tell what came of it."""
        self._trial, self._found, self._ours = None, None, False
        self._next_look = now

    def _note(self, text: str) -> None:
        if text != self._fault:
            self._fault = text
            log.error("cannot be looked at", reason=text)

    def _task(self, what: str, **more: Any) -> Task:
        part = self._config.updates
        return Task(what, str(self._path), str(self._config.state), str(part.key or self._path.parent / KEY),
                    self._config.site, self._box, self._release, disk_share=self._config.keep.disk_share,
                    wall=self._clock.wall(), **more)

    @property
    def _box(self) -> str:
        return self._config.updates.box or os.uname().nodename

    def _about(self) -> dict[str, Any]:
        """For the report."""
        about: dict[str, Any] = {"site": self._config.site, "box": self._box}
        if self._status:
            told = asdict(replace(self._status, cameras=tuple(replace(one, tracks=()) for one in self._status.cameras)))
            about |= {key: told[key] for key in ("version", "started", "watching", "text", "troubles", "detector",
                                                 "storage", "sinks", "config_fault", "clock_suspect", "rss_bytes")}
            about["cameras"] = [{key: one[key] for key in ("name", "standing", "cause", "text", "since", "fps",
                                                           "looked", "faults")} for one in told["cameras"]]
        return about
