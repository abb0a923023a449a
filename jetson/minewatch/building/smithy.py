"""The engine that is built beside the watch's work: ordered at the start, tried when it is there, remembered."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

from minehat.errors import MineHatError

from ..clock import Clock
from ..config.schema import Config
from ..detection.answers import Change
from ..detection.wire import Wire
from ..detection.worker import Worker
from ..logs import logger
from ..status import EngineStatus
from .messages import Begun, Built, FromBuilder, Order, Progress, Unbuilt
from .record import FOLDER, TRIES, Record, read_record, stamp_of, write_record

ENTRY = "minewatch.building.process:main"
PATIENCE = 600.0  # seconds that an engine waits for a frame with people in it; then any frame will do

log = logger("engine")


class Smithy:
    """Holds the builder's process and what came of it. All methods return at once.

    The watch turns it, has `wanted` tried by the detector, and tells it by `heed` what came of that.
    """

    def __init__(self, config: Config, clock: Clock, entry: str = ENTRY) -> None:
        self._clock, self._entry, self._pen = clock, entry, threading.Lock()
        self._worker: Worker | None = None
        self._leaving: list[Worker] = []
        self._begin(config)

    @property
    def engine(self) -> Path | None:
        """The one that stood its trial and may be run from the start."""
        record = self._record
        return self._folder / record.engine if record and record.verdict == "passed" and record.engine else None

    def waitables(self) -> list[Wire]:
        """`turn` when one of these can be read."""
        return self._worker.waitables if self._worker else []

    def turn(self, now: float) -> list[str]:
        """Hear the builder. Returns what people must be told, one line each: why there will be no engine."""
        self._leaving = [worker for worker in self._leaving if not worker.ended]
        told: list[str] = []
        try:
            for message in self._worker.received() if self._worker else ():
                told += self._hear(message, now)
        except Exception as exc:  # a process that speaks nonsense is given up; who watches goes on
            told += self._refuse(f"what the builder's process said was not understood: {exc!r}", self._key)
        if self._worker and self._worker.hung_up and self._worker.ended:
            told += self._refuse(f"{self._worker.epitaph}. Close other programs or add swap, if memory ran out",
                                 self._key)
        return told

    def wanted(self, now: float, on_trial: str, frames: int, people: bool) -> Path | None:
        """The engine that is to be tried now, on so many frames; None where none is, or it is better to wait.

        on_trial: the file that the detector tries at this moment. people: whether somebody is in those frames.
        """
        if self._status.standing == "trial" and on_trial != str(self._built):
            self._stand("waiting")  # another model's trial took its place
        if self._status.standing != "waiting" or on_trial or not frames:
            return None
        if not people and now - self._since < PATIENCE:
            return None
        self._stand("trial")
        return self._built

    def own(self, file: str) -> Path | None:
        """This model where it is an engine that was built here, of whichever make; None for all others."""
        return Path(file) if Path(file).parent == self._folder else None

    def forsaken(self, file: str) -> bool:
        """Whether it is an engine of ours on trial that nobody wants any more."""
        return bool(self.own(file)) and self._status.standing not in ("trial", "taken")

    def heed(self, change: Change) -> None:
        """What came of its trial, or of its first minute."""
        if not self._built or change.file != str(self._built):
            return
        tried, failed = self._status.standing == "trial", self._status.standing == "taken" and change.cause == "failed"
        if change.kind == "swapped" and tried:
            self._stand("taken")
            self._remember(Record(self._stamp, self._key, self._built.name, "passed"))
        elif change.kind == "refused" and (tried or failed):
            self._stand("refused", change.text)
            self._remember(Record(self._stamp, self._key, self._built.name, "refused", change.text, self._tries + 1))

    def replace(self, config: Config) -> None:
        """Begin anew where another engine is wanted, or none."""
        part = config.model.engine
        if part != self._part or (part and stamp_of(part.onnx, part.target, config.detector.batch) != self._stamp):
            self._dismiss()
            self._begin(config)

    def status(self) -> EngineStatus:
        """For the page and the metrics."""
        return self._status

    def stop(self) -> None:
        """Put the builder to death; what it had begun leaves nothing that counts."""
        self._dismiss()

    @property
    def stopped(self) -> bool:
        """Whether, after `stop`, its process is gone."""
        return all(worker.ended for worker in self._leaving)

    @property
    def _tries(self) -> int:
        """Of this key, that came to nothing."""
        return self._record.tries if self._record and self._record.key == self._key else 0

    def _begin(self, config: Config) -> None:
        self._part, self._folder = config.model.engine, config.state / FOLDER
        self._status, self._since, self._key, self._stamp = EngineStatus(), self._clock.monotonic(), "", ""
        self._record: Record | None = None
        self._built: Path | None = None
        if self._part:
            self._order(config, self._part.onnx, self._part.target)

    def _order(self, config: Config, onnx: Path, target: str) -> None:
        most = config.detector.batch
        known, self._stamp = read_record(self._folder), stamp_of(onnx, target, most)
        if known and known.stamp == self._stamp:
            self._record = known
        self._status = EngineStatus("taken" if self.engine else "building")
        best = max(1, min(most, sum(camera.enabled for camera in config.cameras)))
        try:
            self._worker = Worker(Order(str(onnx), str(self._folder), target, best, most, known), self._entry,
                                  "the process that builds the engine")
        except OSError as exc:
            self._stand("refused", f"no process can be started: {exc}")
            log.warning("is not built", reason=str(exc))

    def _hear(self, message: FromBuilder, now: float) -> list[str]:
        if isinstance(message, Begun):
            self._key = message.key
            self._record = None if self.engine else self._record  # it is of another make, or no longer whole
            self._status = EngineStatus("building", 0.0)
            log.info("is being built")
        elif isinstance(message, Progress):
            self._status = EngineStatus("building", message.share, message.left)
        elif isinstance(message, Built):
            self._take(message, now)
        elif isinstance(message, Unbuilt):
            return self._refuse(message.text, message.key)
        else:
            log.info("the builder's libraries", said=message.text)
        return []

    def _take(self, message: Built, now: float) -> None:
        """An engine is there: it runs already, is left alone, or is to be tried."""
        self._dismiss()
        self._key, self._built, self._since = message.key, Path(message.engine), now
        known = self._record
        if known and known.key == self._key and known.engine == self._built.name and known.verdict != "built":
            if known.verdict == "passed":
                return
            if self._tries >= TRIES:
                self._stand("refused", known.text)
                return
        log.info("is built", file=message.engine, seconds=message.seconds)
        self._stand("waiting")
        self._remember(Record(self._stamp, self._key, self._built.name, "built", tries=self._tries))

    def _refuse(self, text: str, key: str) -> list[str]:
        """There is no engine. Told once: not again where the run before told the same."""
        self._dismiss()
        self._key = key
        same = self._record is not None and self._record.text == text
        self._stand("refused", text)
        self._remember(Record(self._stamp, key, "", "refused", text, self._tries + 1))
        log.warning("is not built", reason=text)
        return [] if same else [f"the engine could not be built: {text.rstrip('.')}. The watch goes on without it."]

    def _stand(self, standing: str, text: str = "") -> None:
        self._status = replace(EngineStatus(), standing=standing, text=text)  # type: ignore[arg-type]

    def _remember(self, record: Record) -> None:
        """By a thread of its own: the loop waits for no disk."""
        self._record = self._newest = record
        threading.Thread(target=self._write, name="engine-record").start()

    def _write(self) -> None:
        """The newest one, whichever thread comes first."""
        try:
            with self._pen:
                write_record(self._folder, self._newest)
        except MineHatError as exc:
            log.warning("what came of it cannot be remembered", reason=str(exc))

    def _dismiss(self) -> None:
        if self._worker:
            self._worker.kill()
            self._worker.close()
            self._leaving.append(self._worker)
        self._worker = None
