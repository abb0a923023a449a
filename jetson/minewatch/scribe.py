"""The scribe: what the watch decides becomes events, with names and times that people read."""

from __future__ import annotations

from collections.abc import Callable

from .clock import Clock
from .events.event import Event, new_id
from .judging.verdict import Verdict


class Scribe:
    """Turns verdicts into events. suspect: whether the wall clock is not to be trusted now."""

    def __init__(self, clock: Clock, suspect: Callable[[], bool]) -> None:
        self._clock, self._suspect = clock, suspect

    def event_of(self, verdict: Verdict, camera: str = "", camera_time: float | None = None) -> Event:
        """The event, its wall-clock times reckoned back from now."""
        wall, now = self._clock.wall(), self._clock.monotonic()
        opens = Event(verdict.kind, 1.0).opens
        return Event(
            verdict.kind, wall - (now - verdict.seconds), camera, verdict.zone,
            began=wall - (now - verdict.began), id=verdict.incident if opens and verdict.incident else new_id(),
            incident=verdict.incident, track=verdict.track, score=verdict.score, box=verdict.box,
            count=verdict.count, loud=verdict.loud, cause=verdict.cause, remark=verdict.remark,
            camera_time=camera_time, clock_suspect=self._suspect())
