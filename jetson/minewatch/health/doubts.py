"""A doubt about the picture becomes a fault when it lasts, and the fault ends when the doubt has been gone as long."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Doubt:
    """One cause at one camera."""

    on: bool = False  # the picture looks so, now
    since: float = 0.0  # monotonic seconds: of that
    incident: str = ""  # of the fault that it became
    began: float = 0.0  # of the fault
    hidden: bool = False  # the last look told nothing of it: it neither begins nor ends


@dataclass(frozen=True)
class Bounds:
    """A measure below `enter` raises the doubt, one above `leave` ends it."""

    enter: float
    leave: float


def weighed(doubt: Doubt, measure: float | None, bounds: Bounds, now: float) -> Doubt:
    """The doubt after one more look. measure: None where this look tells nothing."""
    if measure is None:
        return replace(doubt, hidden=True)
    on = measure < bounds.enter or (doubt.on and measure <= bounds.leave)
    return replace(doubt, on=on, since=doubt.since if on == doubt.on else now, hidden=False)


def due(doubt: Doubt, wait: float, now: float) -> bool:
    """Whether the fault has to begin or to end: the picture has been otherwise for `wait` seconds."""
    return not doubt.hidden and doubt.on != bool(doubt.incident) and now - doubt.since >= wait
