"""Faults of the watch itself: one event when one begins, one when it ends, whatever flickers in between."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .events.event import ENDED_BY, Event, Kind, new_id
from .judging.verdict import Verdict

COOLDOWN = 60.0  # seconds between two notices of one camera, or of one part of the box


class Faults:
    """The faults that are open, by kind and camera. It is told the time; it asks no clock."""

    def __init__(self, kept: Iterable[Event] = ()) -> None:
        """kept: faults that a run before left open; they go on as the same incidents."""
        self._open = {(event.kind, event.camera): event.incident for event in kept}
        self._began: dict[tuple[Kind, str], float] = {}
        self._sounded: dict[tuple[Kind, str], float] = {}

    def began(self, kind: Kind, now: float, cause: str, text: str, camera: str = "") -> list[Verdict]:
        """Something is wrong; a verdict where that is news."""
        key = (kind, camera)
        if key in self._open:
            return []
        self._open[key] = new_id()
        self._began[key] = now
        loud = self.may_sound(kind, camera, now)
        return [Verdict(kind, now, now, self._open[key], loud=loud, cause=cause, remark=text)]

    def ended(self, kind: Kind, now: float, text: str = "", camera: str = "") -> list[Verdict]:
        """It is well again; a verdict where it was not. `kind` is that of the fault."""
        incident = self._open.pop((kind, camera), None)
        if incident is None:
            return []
        return [Verdict(ENDED_BY[kind], now, self._began.pop((kind, camera), now), incident, remark=text)]

    def may_sound(self, kind: Kind, camera: str, now: float) -> bool:
        """Whether the cool-down of this kind of fault is over; where it is, it begins anew."""
        if now - self._sounded.get((kind, camera), -math.inf) < COOLDOWN:
            return False
        self._sounded[kind, camera] = now
        return True

    def forget(self, camera: str, now: float) -> list[Verdict]:
        """The camera is no longer ours: its faults end."""
        return [verdict for kind, name in list(self._open) if name == camera
                for verdict in self.ended(kind, now, "the camera was taken out of the configuration", camera)]
