"""What the run before left open, after a crash or a stop: what goes on, and what ends now."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .events.event import ENDED_BY, Event
from .health.look import CAUSES
from .judging.verdict import Verdict

PEOPLE = ("bare_head", "intruder")


@dataclass(frozen=True)
class Carried:
    """Events that are open."""

    incidents: tuple[Event, ...]  # of people; the judge finds them again, or ends them
    faults: tuple[Event, ...]  # they end when what was wrong is well
    over: tuple[Event, ...]  # nobody would end them any more

    def endings(self, now: float) -> list[tuple[str, Verdict]]:
        """The ends of those that are over, each with its camera."""
        return [(event.camera, Verdict(ENDED_BY[event.kind], now, now, event.incident, event.zone, cause=event.cause,
                                       remark="the watch was started anew; what is wrong now has an event of its own"))
                for event in self.over]


def carried(left_open: Iterable[Event], cameras: Collection[str]) -> Carried:
    """Sort what is open by what becomes of it. cameras: those that are on now."""
    incidents, over, faults = [], [], {}
    for event in left_open:
        key = (event.kind, event.camera)
        if event.kind == "storage_fault":  # the store itself ends it
            continue
        if event.camera and event.camera not in cameras:
            over.append(event)
        elif event.kind in PEOPLE:
            incidents.append(event)
        elif event.cause in CAUSES or key in faults:  # pictures are judged anew
            over.append(event)
        else:
            faults[key] = event
    return Carried(tuple(incidents), tuple(faults.values()), tuple(over))
