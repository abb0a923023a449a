"""A verdict: what the judge, or the look at a picture's health, makes of a frame."""

from __future__ import annotations

from dataclasses import dataclass

from ..events.event import Box, Kind


@dataclass(frozen=True)
class Verdict:
    """Becomes an Event at the edge, where cameras have names and clocks have hands."""

    kind: Kind
    seconds: float  # when it was decided, of the clock that the judge is told
    began: float  # when what it tells of began, same clock
    incident: str = ""  # id of the incident that it opens or ends; the opening event's own id
    zone: str = ""
    track: int = 0
    score: float = 0.0
    box: Box | None = None  # x0 y0 x1 y1, shares of the frame's sides
    count: int = 0
    loud: bool = False
    cause: str = ""
    remark: str = ""
