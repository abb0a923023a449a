"""What the store tells besides events: media, acknowledgements, audit rows, and an incident as people see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from .event import Kept, Kind, iso

MediaKind = Literal["snapshot", "clip"]
MediaState = Literal["coming", "kept", "refused", "gone"]  # gone: taken by the quota; refused: never came

MEDIA = "media"
SUFFIXES: dict[MediaKind, str] = {"snapshot": ".jpg", "clip": ".mp4"}


def media_path(kept: Kept, kind: MediaKind) -> str:
    """Below the state folder: media/2026-11-22/7.jpg, the day that of the event in UTC."""
    return f"{MEDIA}/{iso(kept.event.time)[:10]}/{kept.seq}{SUFFIXES[kind]}"


@dataclass(frozen=True)
class Media:
    """A picture or a film of an event."""

    seq: int
    kind: MediaKind
    state: MediaState
    path: str | None  # below the state folder, with slashes; None unless it is kept or coming
    bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Audit:
    """Who did what. Never deleted."""

    number: int
    time: float  # wall clock
    who: str
    action: str  # acknowledged, login, login_refused, zones_saved, ...
    seq: int | None  # of the event that it is about
    remark: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; the time as ISO 8601."""
        return {**asdict(self), "time": iso(self.time)}


@dataclass(frozen=True)
class Incident:
    """An event that opened something, and what is known of it by now."""

    began: Kept
    ended: Kept | None  # the event that ended it
    media: tuple[Media, ...]
    acknowledged: Audit | None  # by whom first

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: the opening event with `ended`, `media` and `acknowledged`."""
        return {**self.began.to_dict(), "ended": self.ended and self.ended.to_dict(),
                "media": [one.to_dict() for one in self.media],
                "acknowledged": self.acknowledged and self.acknowledged.to_dict()}


@dataclass(frozen=True)
class Sought:
    """Which events are asked for; what is left out does not matter."""

    kinds: tuple[Kind, ...] = ()  # one of these
    camera: str | None = None
    zone: str | None = None
    since: float | None = None  # wall clock, this moment included
    until: float | None = None  # wall clock, this moment not included
    loud: bool | None = None
    open: bool | None = None  # incidents that have (not) ended
    acknowledged: bool | None = None  # incidents that somebody has (not) acknowledged
