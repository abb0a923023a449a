"""One camera's post: its pictures, what the judge remembers of them, and whether they can be judged at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from minehat.detections import Detections

from . import health
from .cameras.camera import Camera
from .cameras.messages import THUMB_HEIGHT, THUMB_WIDTH, ClipDone, Skipped
from .cameras.picture import Picture
from .cameras.standing import Change
from .config.schema import CameraPart, RulesPart
from .events.event import Event
from .faults import Faults
from .judging.history import History
from .judging.judge import closed, judge, new_day, open_incidents, resumed, tracks_of, with_rules
from .judging.verdict import Verdict
from .judging.zones import changed
from .logs import logger
from .outlook import OLD
from .rate import Rate
from .status import CameraStatus, TrackStatus
from .stumbles import Stumbles

log = logger("cameras")
LONG = 10.0  # seconds that a live camera may wait to be looked at, while the detector answers


class Post:
    """Holds a camera and its histories. It is told the time."""

    def __init__(self, part: CameraPart, camera: Camera, history: History, faults: Faults) -> None:
        self.part, self.camera = part, camera
        self.clips: list[ClipDone] = []  # that are done; the owner empties it
        self._history, self._faults = history, faults
        self._health = health.History.fresh(part.health)
        self._stumbles, self._overlooks = Stumbles(), Faults()
        self._waits_since: float | None = None  # to be looked at
        self._looked = Rate()
        self._age_ms: float | None = None
        self._judged: float | None = None

    def turn(self, now: float) -> list[Verdict]:
        """Hear the camera: its faults, and those of its picture. An error of ours costs it its connection, no more."""
        try:
            return self._heard(now)
        except Exception as exc:
            self.camera.abandon(now, f"what its reader said was not understood: {type(exc).__name__}")
            return self.stumbled(now, exc)

    def stumbled(self, now: float, exc: Exception) -> list[Verdict]:
        """Something of ours went wrong with this camera: it counts as blind, and all others go on."""
        told = [self._hushed(verdict, now) for verdict in self._stumbles.fell(now, exc)]
        if told:  # the first of a row; there may be one for each picture
            log.error("went wrong", camera=self.part.name, exc_info=exc)
        return told

    def _heard(self, now: float) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for one in self.camera.turn(now):
            if isinstance(one, Change):
                verdicts += self._changed(one, now)
            elif isinstance(one, ClipDone):
                self.clips.append(one)
            elif isinstance(one, Skipped):
                log.warning("a picture could not be read", camera=self.part.name, text=one.text)
            elif one.thumb is not None:
                thumb = np.frombuffer(one.thumb, np.uint8).reshape(THUMB_HEIGHT, THUMB_WIDTH)
                self._health, found = health.look(self._health, thumb, one.print, one.moment)
                verdicts += [self._hushed(verdict, now) for verdict in found]
        return verdicts

    def judged(self, picture: Picture, found: Detections, now: float) -> list[Verdict]:
        """Weigh what was found in a picture of this camera."""
        self._history, verdicts = judge(self._history, found, picture.size, picture.arrived.moment)
        self._looked.count(now)
        self._judged, self._age_ms = now, 1000 * (now - picture.arrived.moment)
        return [*verdicts, *self._stumbles.walked(now)]

    def overlooked(self, camera: CameraStatus, looking: bool, now: float) -> list[Verdict]:
        """A live camera that nobody looks at is blind as well. looking: whether the detector answers at all."""
        seen = camera.last_looked is not None and camera.last_looked <= OLD
        if seen or not looking or camera.standing != "live":
            self._waits_since = None
            return self._overlooks.ended("camera_fault", now, "it is looked at again") if seen else []
        self._waits_since = now if self._waits_since is None else self._waits_since
        if now - self._waits_since < LONG:
            return []
        return self._overlooks.began("camera_fault", now, "overlooked", "its pictures come, and nobody looks at them")

    def change(self, part: CameraPart, rules: RulesPart, classes: Sequence[str]) -> list[Verdict]:
        """Other rules, zones or names of classes: people and incidents stay."""
        self.part = part
        self._health = health.with_part(self._health, part.health)
        self._history, verdicts = with_rules(self._history, changed(rules, part.rules), part.zones, classes)
        return verdicts

    def close(self, now: float, remark: str) -> list[Verdict]:
        """The camera is taken away: its incidents end."""
        self._history, incidents = closed(self._history, now, remark)
        self._health, faults = health.closed(self._health, now, remark)
        faults += [*self._stumbles.ended(now, remark), *self._overlooks.ended("camera_fault", now, remark)]
        return [*incidents, *faults, *self._faults.forget(self.part.name, now)]

    def reconnect(self, camera: Camera, now: float) -> list[Verdict]:
        """Its pictures come another way from now on, perhaps of another place: their health is learned anew."""
        self.camera = camera
        self._health, verdicts = health.closed(self._health, now, "the camera is another one now")
        return verdicts

    def resume(self, incidents: Sequence[Event], now: float, wall: float) -> None:
        """After a restart: go on with these, which were open."""
        self._history = resumed(self._history, incidents, now, wall)

    def new_day(self) -> None:
        """Count people from 0 again."""
        self._history = new_day(self._history)

    @property
    def tracks(self) -> tuple[TrackStatus, ...]:
        """Whom the judge sees now."""
        return tracks_of(self._history)

    def status(self, now: float) -> CameraStatus:
        """For the page and the metrics."""
        return replace(
            self.camera.status(), looked=self._looked.per_second(now), age_ms=self._age_ms,
            last_looked=None if self._judged is None else now - self._judged, tracks=tracks_of(self._history),
            counts=dict(self._history.counts), open_incidents=open_incidents(self._history),
            faults=(*self._health.faults, *self._stumbles.faults))

    def _hushed(self, verdict: Verdict, now: float) -> Verdict:
        """The same, loud only where this camera's last fault was not told a moment ago."""
        return replace(verdict, loud=verdict.loud and self._faults.may_sound(verdict.kind, self.part.name, now))

    def _changed(self, change: Change, now: float) -> list[Verdict]:
        name = self.part.name
        if change.standing == "live":
            return self._faults.ended("camera_fault", now, "pictures come again", name)
        return self._faults.began("camera_fault", now, change.cause or "", change.text, name)
