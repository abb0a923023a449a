"""A detector that tests hold: frames in a memory of their own, a clock that they turn, and waits that end."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from multiprocessing.connection import wait

import numpy as np
from hand_clock import HandClock
from minewatch.config.schema import DetectorPart
from minewatch.detection.answers import Answer, Change
from minewatch.detection.messages import Model
from minewatch.detection.stage import Stage
from minewatch.detection.supervisor import Detector

PATIENT = 60.0  # seconds of the wall clock, for machines that are busy


class Picture:
    """A frame that knows whether it was let go of."""

    def __init__(self, place):
        self.place, self.freed = place, 0

    def free(self):
        self.freed += 1


class Driven:
    """A detector, and all that it has told so far."""

    def __init__(self, model, entry, fallback=None, clock=None, **part):
        self.clock = clock or HandClock()
        as_model = lambda path: path and Model(str(path))  # noqa: E731
        self.detector = Detector(as_model(model), DetectorPart(threads=1, **part), as_model(fallback), self.clock,
                                 entry)
        self.told = []

    def turn(self):
        self.told += self.detector.turn(self.clock.monotonic())

    def until(self, reached):
        """Turn it until `reached()`; the hand clock stands still meanwhile."""
        end = time.monotonic() + PATIENT
        while True:
            self.turn()
            if reached():
                return
            assert time.monotonic() < end, (self.detector.status(), self.told)
            wait(self.detector.waitables(), 0.05)

    def ready(self):
        self.until(lambda: self.detector.idle)

    def look(self, places):
        """Have it look, and return the pictures; see `answers`."""
        pictures = [Picture(place) for place in places]
        self.detector.submit(pictures, self.clock.monotonic())
        return pictures

    def answered(self, places):
        """The answer to one batch."""
        before = len(self.answers)
        self.look(places)
        self.until(lambda: len(self.answers) > before)
        return self.answers[-1]

    @property
    def answers(self):
        return [one for one in self.told if isinstance(one, Answer)]

    def changes(self, kind="standing"):
        return [one for one in self.told if isinstance(one, Change) and one.kind == kind]

    @property
    def standings(self):
        return [change.standing for change in self.changes()]


@contextmanager
def driven(model, entry="minewatch.detection.process:main", **more):
    """A Driven, and no process after it."""
    held = Driven(model, entry, **more)
    try:
        yield held
    finally:
        held.detector.stop()
        end = time.monotonic() + PATIENT
        while not held.detector.stopped:
            assert time.monotonic() < end
            wait([], 0.01)


@contextmanager
def staged(*frames):
    """Places of uint8 [h, w, 3] frames in a shared memory."""
    stage = Stage(frames)
    try:
        yield stage.places
    finally:
        stage.close()
        gc.collect()


def bright(width=96, height=96, cell=0, blue=255):
    """A frame that a bright model finds one head in: its cell's third of the picture, blue."""
    frame = np.zeros((height, width, 3), np.uint8)
    left, top = cell % 3 * width // 3, cell // 3 * height // 3
    frame[top:top + height // 3, left:left + width // 3, 0] = blue
    return frame
