"""The budget of heat and power at work: it says how often each camera is looked at, and tells what it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from minehat.telemetry import Reading

from ..config.schema import CameraPart, Config
from ..faults import Faults
from ..judging.verdict import Verdict
from ..logs import logger
from ..status import BoardStatus, CameraStatus
from .budget import STALE, Budget, allowed_looks, held_back, needed_looks, stepped, strain_of

CAUSE = "sparse"
LONG = 10.0  # seconds of too few looks before it is a fault
ENOUGH = 0.9  # of the looks that an alarm needs; they are counted over seconds
REMEMBERED = 30.0  # seconds for which it is told that the board slowed itself down

log = logger("board")


class Sensors(Protocol):
    """A Thermometer, or a test's."""

    @property
    def reading(self) -> Reading | None: ...

    @property
    def limits(self) -> Mapping[str, float]: ...


class Thrift:
    """Holds where the policy stands, and what each camera had before it. It is told the time."""

    def __init__(self, config: Config, sensors: Sensors) -> None:
        self.config = config
        self.paces: Mapping[str, float] = {}  # looks a second that cameras may have; those not in it have all
        self._sensors, self._budget = sensors, Budget()
        self._full: dict[str, float] = {}  # looks a second before any were saved
        self._short: dict[str, float] = {}  # since when a camera gets too few
        self._told = Faults()
        self._slowed: tuple[tuple[str, ...], float] = (), float("-inf")  # why it throttled, and when last

    def turn(self, cameras: Iterable[CameraStatus], now: float) -> list[tuple[str, list[Verdict]]]:
        """Take the newest reading. Verdicts where a camera gets fewer looks than an alarm needs, with its name."""
        reading, before = self._sensors.reading, self._budget
        self._budget = stepped(before, strain_of(reading, self._sensors.limits, self.config.budget, now), now)
        if reading and now - reading.at <= STALE and (why := held_back(reading)):
            self._slowed = why, now
        self._log(before)
        seen = [(part, camera) for camera in cameras if (part := self.config.camera(camera.name))]
        self._full = {part.name: self._full_of(part, camera) for part, camera in seen}
        self.paces = {part.name: pace for part, _ in seen if (pace := self._pace(part)) is not None}
        judged = [(part.name, self._judged(part, camera, now)) for part, camera in seen]
        gone = [(name, self._enough(name, now)) for name in self._short.keys() - {part.name for part, _ in seen}]
        return [(name, told) for name, told in (*judged, *gone) if told]

    def status(self, now: float) -> BoardStatus:
        """For the page and the metrics."""
        reading = self._sensors.reading
        told = BoardStatus(self._budget.share, self._budget.why, throttled=self._slowed_lately(now),
                           short=tuple(name for name, since in self._short.items() if now - since >= LONG))
        if reading is None or now - reading.at > STALE:
            return told
        return replace(told, celsius=dict(reading.celsius), watts=reading.total_watts)

    def _slowed_lately(self, now: float) -> tuple[str, ...]:
        why, last = self._slowed
        return why if now - last <= REMEMBERED else ()

    def _full_of(self, part: CameraPart, camera: CameraStatus) -> float:
        """What it would have: measured while nothing is saved, and what its camera sends where it came later."""
        if not self._budget.step:
            return camera.looked
        known = self._full.get(part.name, 0.0)
        return known if known > self._needed(part) else min(camera.fps, part.most_fps or camera.fps)

    def _pace(self, part: CameraPart) -> float | None:
        return allowed_looks(self._full[part.name], self._needed(part), self._budget.share)

    def _needed(self, part: CameraPart) -> float:
        return needed_looks(self.config.rules, part)

    def _judged(self, part: CameraPart, camera: CameraStatus, now: float) -> list[Verdict]:
        """Too few looks while the board is held back, of a camera that sends enough."""
        needed, pressed = self._needed(part), self._budget.step or self._slowed_lately(now)
        comes = min(camera.fps, part.most_fps or camera.fps)
        if not pressed or camera.standing != "live" or comes < needed or camera.looked >= ENOUGH * needed:
            return self._enough(part.name, now)
        since = self._short.setdefault(part.name, now)
        if now - since < LONG:
            return []
        return self._told.began("camera_fault", now, CAUSE, f"it is looked at {camera.looked:.1f} times a second, and "
                                f"an alarm needs {needed:g}: {self._budget.why or 'the board slows itself down'}",
                                part.name)

    def _enough(self, name: str, now: float) -> list[Verdict]:
        self._short.pop(name, None)
        return self._told.ended("camera_fault", now, "it is looked at as often as alarms need, or not at all", name)

    def _log(self, before: Budget) -> None:
        if self._budget.step > before.step:
            log.warning("fewer looks are made", share=self._budget.share, why=self._budget.why)
        elif self._budget.step < before.step:
            log.info("more looks are made again" if self._budget.step else "all looks are made again",
                     share=self._budget.share)
