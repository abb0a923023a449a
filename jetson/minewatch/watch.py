"""The watch of one source: shots in, events out. It never lets silence look like safety."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

from minehat.detector import Detector
from minehat.doors import DONE, MENDABLE, SOME_FAILED
from minehat.errors import MineHatError
from minehat.sources import Shot

from .events import Event, Kind
from .judge import History, Rules, broken_off, judge
from .reader import Reader

STALL = 4.0  # seconds without a picture from a camera, after which the watch is blind
TURN = 0.2  # seconds between two looks at the stop flag

Say = Callable[[Event], None]


def watch(detector: Detector, reader: Reader, say: Say, stop: threading.Event,
          seconds: float = math.inf) -> int:
    """Watch until the source ends, `stop` is set, or `seconds` (of a video's own time) are over.

    The exit code: 0 when all of it was seen, 3 when part of it was not, 2 when nothing was.
    """
    eyes = Eyes(detector, reader.name, reader.live, say, time.monotonic())
    try:
        while not (stop.is_set() or reader.ended or eyes.watched >= seconds):
            shot = reader.take(TURN)
            if shot is None:
                eyes.wait(time.monotonic())
            else:
                eyes.look(shot, time.monotonic())
    except Exception as exc:
        eyes.close(f"broken off by an error: {exc!r}", loud=True)
        raise
    faults = reader.faults or ([] if stop.is_set() or eyes.pictures else ["not one picture came"])
    for fault in faults:
        eyes.tell("source_failed", fault, loud=True)
    eyes.close("stopped" if stop.is_set() else "the source ended" if reader.ended else "the time is over")
    if not (faults or eyes.blind):
        return DONE
    return SOME_FAILED if eyes.pictures else MENDABLE


def rules_of(classes: Sequence[str], name: str) -> Rules:
    """The rules for a model of these classes. Raises MineHatError where it could never raise an alarm."""
    if "head" not in classes:
        raise MineHatError(f"{name} knows {', '.join(classes)}, and no class `head`: it would never see a bare "
                           "head. Give a model with the classes helmet and head.")
    return Rules(helmet=classes.index("helmet") if "helmet" in classes else -1, head=classes.index("head"))


class Eyes:
    """What the watch holds between pictures. It is told the time; it asks no clock.

    live: a camera, judged by the monotonic clock; a video is judged by its own time.
    """

    def __init__(self, detector: Detector, name: str, live: bool, say: Say, now: float) -> None:
        self.pictures = 0
        self.blind = False  # a camera has stopped sending
        self._detector, self._live, self._say = detector, live, say
        self._rules = rules_of(detector.card.classes, detector.card.name)
        self._history = History(name, self._rules)
        self._began = self._now = now if live else 0.0
        self._latest = now  # when the last picture came
        self.tell("watch_began")

    @property
    def watched(self) -> float:
        """Seconds since the watch began."""
        return self._now - self._began

    def look(self, shot: Shot, now: float) -> None:
        """Judge one shot that came at `now` of the monotonic clock."""
        self.pictures += 1
        found = self._detector(shot.frame)
        if not self._live and shot.seconds is None:
            _, events = judge(History(shot.source, self._rules.for_still()), found, 0.0)
        else:
            self._now = now if self._live or shot.seconds is None else shot.seconds
            self._history, events = judge(self._history, found, self._now, shot.index)
        self._seeing(now)
        for event in events:
            self._say(event)

    def wait(self, now: float) -> None:
        """No picture has come. A camera that stays away is an alarm: the watch is blind."""
        if not self._live:
            return
        self._now = now
        if not self.blind and now - self._latest >= STALL:
            self.blind = True
            self.tell("source_stalled", f"no picture for {now - self._latest:.1f} s: the watch is blind",
                      loud=True, began=self._latest)

    def tell(self, kind: Kind, remark: str = "", loud: bool = False, began: float | None = None) -> None:
        """Say something about the watch itself."""
        self._say(Event(kind, self._history.source, self._now, self._began if began is None else began,
                        loud=loud, remark=remark))

    def close(self, why: str, loud: bool = False) -> None:
        """The last words: an alarm that is still open, and how much was seen."""
        for event in broken_off(self._history, "last seen when the watch ended"):
            self._say(event)
        self.tell("watch_ended", f"{why}; {self.pictures} pictures seen", loud)

    def _seeing(self, now: float) -> None:
        if self.blind:
            self.tell("source_back", f"blind for {now - self._latest:.1f} s", began=self._latest)
        self.blind, self._latest = False, now
