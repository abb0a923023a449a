"""A new model on trial: a second process that looks at stored frames before it may look at live ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from minehat.detections import Detections

from ..config.schema import DetectorPart
from . import standing as stand
from .messages import Found, FromDetector, Gone, Load, Look, Model, Ready
from .stage import Stage
from .trial import Sight, objection, proof
from .worker import Worker

LOOKS = 2  # at the same frames; the first one is slow, and not timed


class Candidate:
    """Its process and its frames. The watch turns it, and has the old model look at the same `stage.places`.

    known: it ran here before, and the old model looks at nothing. Raises OSError or SourceLost where the machine has no
    room for them.
    """

    def __init__(self, model: Model, frames: Sequence[npt.NDArray[np.uint8]], part: DetectorPart, entry: str,
                 now: float, known: bool = False) -> None:
        self.model, self.known, self.stage = model, known, Stage(frames[-part.batch:])
        try:
            self.worker = Worker(Load(model, part.threads), entry)
        except OSError:
            self.stage.close()
            raise
        self.ready: Ready | None = None
        self.old: Sight | None = None  # what the old model finds
        self._new: Sight | None = None
        self._looks = 0
        self._standing = stand.started(stand.Standing(stand.Limits(part.load_seconds, part.hang_seconds), False), now)
        self.refusal = "" if frames else "there is no frame to try it on: try again when a camera sends some"

    @property
    def name(self) -> str:
        """Of its card, or of its file before that is read."""
        return self.ready.name if self.ready else Path(self.model.file).name

    @property
    def seen(self) -> bool:
        """Whether it has found what it could."""
        return self._new is not None

    @property
    def proof(self) -> str:
        """Once it is seen: what speaks for it."""
        if self.known:
            return "it answers, and ran here before"
        return proof(self._new, self.old) if self._new else ""

    def turn(self, now: float) -> None:
        """Hear its process. `refusal` tells when the trial is lost."""
        for message in self.worker.received():
            self._hear(message, now)
        if not self.refusal and self.worker.hung_up:
            self.refusal = self.worker.epitaph
        if not self.refusal and stand.hangs(self._standing, now):
            self.refusal = f"it gave no answer within {self._standing.patience:.0f} s"

    def take_old(self, sight: Sight | None) -> None:
        """What the old model found in the same frames; None where it could not read one."""
        self.old = sight
        if sight is None:
            self.refusal = "the old model could not read the frames of its trial"

    def judge(self) -> None:
        """Hold what it found against what `old` found; `refusal` tells what speaks against it."""
        if self._new:
            self.refusal = objection(self._new, self.old, self._standing.limits.hang * 1000)

    def close(self) -> Worker:
        """Let go of the frames; the process is the caller's."""
        self.stage.close()
        return self.worker

    def _hear(self, message: FromDetector, now: float) -> None:
        if isinstance(message, Ready):
            self.ready, self._standing = message, stand.ready(self._standing, now)
            self._look(now)
        elif isinstance(message, Found):
            self._standing = stand.answered(self._standing, now)
            if self._looks < LOOKS:
                self._look(now)
            else:
                self._take(message)
        elif isinstance(message, Gone):
            self.refusal = message.text

    def _look(self, now: float) -> None:
        self._looks += 1
        self._standing = stand.asked(self._standing, now)
        self.worker.send(Look(self._looks, self.stage.places))

    def _take(self, message: Found) -> None:
        self._new = sight(self.ready, message)
        if self._new is None:
            self.refusal = "it could not read the frames of its trial"


def sight(ready: Ready | None, message: Found) -> Sight | None:
    """What a process found in all frames of a trial; None where it could not read one."""
    found: list[Detections] = [one for one in message.found if one is not None]
    return Sight(ready.classes, tuple(found), message.ms) if ready and len(found) == len(message.found) else None
