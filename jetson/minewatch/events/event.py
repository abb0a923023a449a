"""An event: one thing that happened, as it is kept for a year and told to everybody."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

Kind = Literal[
    "watch_began",
    "watch_ended",
    "bare_head",  # somebody without a helmet: an incident opens
    "bare_head_ended",  # the same person has gone, or wears one now
    "intruder",  # somebody in a zone where nobody may be: an incident opens
    "intruder_ended",
    "bare_heads_summary",  # a notice for those whose own notice was held back by the cool-down
    "camera_fault",  # a camera gives no picture, or none that can be judged: it is blind
    "camera_well",
    "detector_fault",  # nothing is being looked at
    "detector_well",
    "storage_fault",  # events or pictures cannot be kept
    "storage_well",
    "model_swapped",
    "model_refused",  # the new model failed its trial; the old one goes on
    "config_reloaded",
    "config_refused",  # the new configuration is wrong; the old one goes on
    "update_applied",  # a signed update of model or configuration was taken, and went well
    "update_refused",  # one was not taken, or was taken back; all is as before
    "clock_moved",  # the wall clock jumped
]
ENDED_BY: dict[str, Kind] = {"bare_head": "bare_head_ended", "intruder": "intruder_ended",
                             "camera_fault": "camera_well", "detector_fault": "detector_well",
                             "storage_fault": "storage_well"}
Box = tuple[float, float, float, float]


def new_id() -> str:
    """128 random bits, hex."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Event:
    """Never changed once it is written; what ends it is an event of its own, with the same `incident`.

    Wall-clock times are seconds since 1970, UTC, reckoned back from the monotonic clock.
    """

    kind: Kind
    time: float  # when it was decided
    camera: str = ""  # its name; "" where the event is of the box itself
    zone: str = ""  # name of the zone; "" where the whole picture is watched
    began: float = 0.0  # when what it tells of began; 0 where that is `time`
    id: str = field(default_factory=new_id)  # the same in every copy that a receiver may get
    incident: str = ""  # id of the event that opened it; its own, where it opens one; "" where it has no end
    track: int = 0  # of the person, unique within the camera and run; 0 where nobody is meant
    score: float = 0.0  # of the surest sight so far, 0 to 1
    box: Box | None = None  # of that head: x0 y0 x1 y1, shares of the frame's width and height, 0 to 1
    count: int = 0  # people that it tells of
    loud: bool = False  # a notice: to be sounded. The cool-down holds back notices, never events
    cause: str = ""  # of a fault, a word for machines: refused, auth, stalled, dark, covered, full, ...
    remark: str = ""  # for people, one line, no secrets
    camera_time: float | None = None  # of the frame by the camera's own clock, where it tells one
    clock_suspect: bool = False  # the wall clock was not trusted when this was written

    def __post_init__(self) -> None:
        if not self.began:
            object.__setattr__(self, "began", self.time)
        if not self.incident and self.kind in ENDED_BY:
            object.__setattr__(self, "incident", self.id)

    @property
    def opens(self) -> bool:
        """Whether an incident begins with it."""
        return self.kind in ENDED_BY

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; times are ISO 8601 in UTC, to the millisecond."""
        told = asdict(self)
        for name in ("time", "began", "camera_time"):
            told[name] = None if told[name] is None else iso(told[name])
        return told


@dataclass(frozen=True)
class Kept:
    """An event that is safely on disk."""

    seq: int  # 1, 2, 3 and so on without a gap, over all runs
    event: Event

    def to_dict(self) -> dict[str, Any]:
        """The event's, with `seq` before it."""
        return {"seq": self.seq, **self.event.to_dict()}


def iso(seconds: float) -> str:
    """Seconds since 1970 as 2026-11-22T10:20:44.123Z."""
    moment = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
