"""Which events are sounded: one notice a cool-down of each camera and zone. Events themselves are never held back.

Incidents that open during a cool-down are held. When `flood` of them are, one summary tells of all a moment later; when
the cool-down is over and some of the held are still open, one summary tells of those and begins the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ..config.schema import RulesPart
from ..events.event import Kind
from .verdict import Verdict

Place = tuple[Kind, str]  # kind of incident, zone
FLOOD_WAIT = 3.0  # seconds from the flood's first sign to its summary, so that one summary can tell of all
WHAT: dict[str, str] = {"bare_head": "without a helmet", "intruder": "where nobody may be"}


@dataclass(frozen=True)
class Quiet:
    """The cool-down of one kind of incident in one zone."""

    sounded: float  # when it was last sounded
    held: tuple[str, ...] = ()  # incidents that were not sounded and are open
    many: int = 0  # incidents that opened since, sounded or not
    flooded: float | None = None  # when there were too many
    summed_up: bool = False  # in this cool-down


@dataclass(frozen=True)
class Notices:
    """All cool-downs of a camera."""

    quiets: Mapping[Place, Quiet] = field(default_factory=dict)


def opened(notices: Notices, verdict: Verdict, rules: RulesPart) -> tuple[Notices, bool]:
    """After an incident opened. Returns whether it is to be sounded."""
    place, now = (verdict.kind, verdict.zone), verdict.seconds
    quiet = notices.quiets.get(place)
    if quiet is None or now - quiet.sounded >= rules.cooldown:
        return _with(notices, place, Quiet(now, quiet.held if quiet else (), 1)), True
    many = quiet.many + 1
    flooded = now if quiet.flooded is None and many > rules.flood else quiet.flooded
    return _with(notices, place, replace(quiet, held=(*quiet.held, verdict.incident), many=many,
                                         flooded=flooded)), False


def ended(notices: Notices, kind: Kind, zone: str, incident: str) -> Notices:
    """After an incident ended: there is nothing more to sound."""
    quiet = notices.quiets.get((kind, zone))
    if quiet is None or incident not in quiet.held:
        return notices
    return _with(notices, (kind, zone), replace(quiet, held=tuple(one for one in quiet.held if one != incident)))


def summaries(notices: Notices, now: float, rules_of: Callable[[str], RulesPart]) -> tuple[Notices, list[Verdict]]:
    """The summaries that are due, to be sounded."""
    told = []
    for (kind, zone), quiet in tuple(notices.quiets.items()):
        over = now - quiet.sounded >= rules_of(zone).cooldown
        flood = quiet.flooded is not None and not quiet.summed_up and now - quiet.flooded >= FLOOD_WAIT
        if quiet.held and (over or flood):
            count = len(quiet.held)
            told.append(Verdict("bare_heads_summary", now, now, zone=zone, count=count, loud=True, cause=kind,
                                remark=f"{count} more {WHAT[kind]}{f' in {zone}' if zone else ''}"))
            sounded = now if over else quiet.sounded
            notices = _with(notices, (kind, zone), Quiet(sounded, summed_up=True))
        elif over:
            notices = Notices({place: one for place, one in notices.quiets.items() if place != (kind, zone)})
    return notices, told


def _with(notices: Notices, place: Place, quiet: Quiet) -> Notices:
    return Notices({**notices.quiets, place: quiet})
