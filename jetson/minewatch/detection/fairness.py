"""Whose newest frame goes into the next batch. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NEVER = float("-inf")


@dataclass(frozen=True)
class Waiting:
    """A camera's newest frame, that nobody has looked at."""

    arrived: float  # monotonic seconds
    most_fps: float | None = None  # of this camera, looked at


@dataclass(frozen=True)
class Turns:
    """What each camera has had so far."""

    place: Mapping[str, int] = field(default_factory=dict)  # in the row of all choices so far; the least waits longest
    due: Mapping[str, float] = field(default_factory=dict)  # before which it is not chosen again

    def without(self, gone: str) -> Turns:
        """The same, less a camera that is no more."""
        return Turns({name: place for name, place in self.place.items() if name != gone},
                     {name: due for name, due in self.due.items() if name != gone})


@dataclass(frozen=True)
class Choice:
    """What to do with frames that wait; the others wait on."""

    chosen: tuple[str, ...]  # those of these cameras go into the batch
    stale: tuple[str, ...]  # those of these are too old to be looked at
    turns: Turns


def chosen(waiting: Mapping[str, Waiting], turns: Turns, most: int, oldest_seconds: float, now: float) -> Choice:
    """At most `most` cameras, each with one frame: those that were looked at longest ago go first.

    How many frames a camera sends, and how large they are, counts for nothing: it has one turn as all others have.
    """
    stale = tuple(name for name, frame in waiting.items() if now - frame.arrived > oldest_seconds)
    ready = [name for name in waiting if name not in stale and now >= turns.due.get(name, NEVER)]
    first = sorted(ready, key=lambda name: (turns.place.get(name, -1), waiting[name].arrived))[:most]
    following = 1 + max(turns.place.values(), default=0)
    places = {name: following + number for number, name in enumerate(first)}
    due = {name: _next_due(turns.due.get(name, NEVER), fps, now)
           for name in first if (fps := waiting[name].most_fps)}
    return Choice(tuple(first), stale, Turns({**turns.place, **places}, {**turns.due, **due}))


def _next_due(due: float, fps: float, now: float) -> float:
    """One step of the camera's own pace on; a turn that came late is followed by half a pause at least."""
    return now + 1 / fps if due == NEVER else max(due + 1 / fps, now + 0.5 / fps)
