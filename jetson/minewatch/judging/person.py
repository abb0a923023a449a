"""A person as the judge knows them, and what one more sight of their head changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..events.event import Box, Kind
from .evidence import NONE, Moment, Rest, Run, at_rest, still
from .zones import Zone

LEFT = 1.5  # seconds that somebody is seen outside a zone, after which coming back is another stay


@dataclass(frozen=True)
class Incident:
    """Open until its end is told."""

    id: str
    kind: Kind  # bare_head, intruder
    zone: str
    began: float  # seconds, of the judge's clock
    score: float  # of the surest sight so far


@dataclass(frozen=True)
class Stay:
    """Somebody's time in a zone."""

    began: float  # seconds, of the judge's clock
    first: float  # seconds watched
    last: float  # seconds watched, of the latest sight in the zone
    sights: int = 1
    counted: bool = False
    incident: Incident | None = None  # of somebody where nobody may be


@dataclass(frozen=True)
class Person:
    """Keyed by the number of the track that shows them now; their own is that of the first one."""

    number: int
    box: Box  # shares of the frame's sides
    score: float
    is_bare: bool  # at the latest sight
    born: float  # seconds watched
    seen: float  # seconds watched, of the latest sight
    frame: int  # of the latest sight
    judged: float  # seconds watched, of the latest sight in a zone where helmets are asked for
    sights: int
    rest: Rest
    speed: tuple[float, float] = (0.0, 0.0)  # of the head's middle, shares a second
    bare: Run = NONE
    safe: Run = NONE
    incident: Incident | None = None
    stays: tuple[tuple[str, Stay], ...] = ()  # by name of the zone
    asked: str | None = None  # the zone in which the latest sight was judged; None where it was not
    ignored: bool = False  # the latest sight was where nothing is judged

    @property
    def alarmed(self) -> bool:
        """Whether an incident of theirs is open."""
        return self.incident is not None or any(stay.incident for _, stay in self.stays)

    def stay(self, zone: str) -> Stay | None:
        """Their time in the zone, if they are there."""
        return next((stay for name, stay in self.stays if name == zone), None)

    def is_in(self, zone: str) -> bool:
        """Whether the latest sight was there."""
        stay = self.stay(zone)
        return stay is not None and stay.last == self.seen

    def without_stay(self, zone: str) -> Person:
        """The same, no longer there."""
        return replace(self, stays=tuple((name, one) for name, one in self.stays if name != zone))

    def with_stay(self, zone: str, stay: Stay) -> Person:
        """The same, with that stay in the place of an earlier one."""
        return replace(self, stays=(*((name, one) for name, one in self.stays if name != zone), (zone, stay)))


@dataclass(frozen=True)
class Sight:
    """One head in one frame."""

    moment: Moment
    frame: int
    box: Box
    score: float
    is_bare: bool
    speed: tuple[float, float]  # shares a second, as the tracker has it
    zones: tuple[Zone, ...]  # in which it is

    @property
    def ignored(self) -> bool:
        """Whether it is where nothing is judged."""
        return any(zone.rule == "ignore" for zone in self.zones)

    @property
    def zone(self) -> Zone | None:
        """Where it is judged whether there is a helmet; None where it is not, or where the head is too small."""
        if self.ignored:
            return None
        asking = next((zone for zone in self.zones if zone.rule == "helmet"), None)
        return asking if asking and self.box[3] - self.box[1] >= asking.rules.smallest else None

    @property
    def place(self) -> tuple[float, float, float, float]:
        """Middle x, middle y, width, height."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, 1e-9), max(y1 - y0, 1e-9)


def newcomer(number: int, sight: Sight) -> Person:
    """Somebody at their first sight, nothing of it judged yet."""
    watched = sight.moment.watched
    return Person(number, sight.box, sight.score, sight.is_bare, watched, watched, sight.frame, watched, 0,
                  at_rest(sight.place, sight.moment, False))


def after(person: Person, sight: Sight) -> Person:
    """The same after one more sight: its evidence gathered, nothing decided."""
    moment, zone = sight.moment, sight.zone
    bare, safe, judged = person.bare, person.safe, person.judged
    if zone:
        bare = bare.after(moment, sight.box, person.box, sight.is_bare, zone.rules.share)
        safe = safe.after(moment, sight.box, person.box, not sight.is_bare, zone.rules.share)
        judged = moment.watched
    incident = person.incident
    if incident and zone and sight.is_bare and sight.score > incident.score:
        incident = replace(incident, score=sight.score)
    return Person(person.number, sight.box, sight.score, sight.is_bare, person.born, moment.watched, sight.frame,
                  judged, person.sights + 1, still(person.rest, sight.place, moment, sight.is_bare), sight.speed,
                  bare, safe, incident, _stays(person, sight), zone.name if zone else None, sight.ignored)


def _stays(person: Person, sight: Sight) -> tuple[tuple[str, Stay], ...]:
    """Those of zones that the sight is in, a moment longer, and those that were left only now."""
    if not sight.zones and not person.stays:
        return ()
    moment, now_in = sight.moment, {zone.name: zone for zone in sight.zones}
    stays: list[tuple[str, Stay]] = []
    for name, stay in person.stays:
        if name in now_in:
            stays.append((name, replace(stay, last=moment.watched, sights=stay.sights + 1)))
        elif stay.incident or moment.watched - stay.last <= LEFT:
            stays.append((name, stay))
    old = {name for name, _ in person.stays}
    stays += [(name, Stay(moment.now, moment.watched, moment.watched)) for name in now_in if name not in old]
    return tuple(stays)


def joined(old: Person, young: Person) -> Person:
    """Somebody who was lost, and has been found again as `young`."""
    stays = dict(old.stays)
    for name, stay in young.stays:
        before = stays.get(name)
        stays[name] = replace(before, last=stay.last, sights=before.sights + stay.sights) if before else stay
    return replace(old, box=young.box, score=young.score, is_bare=young.is_bare, seen=young.seen, frame=young.frame,
                   judged=max(old.judged, young.judged), sights=old.sights + young.sights, rest=young.rest,
                   speed=young.speed,
                   bare=old.bare if old.bare.frames else replace(young.bare, before_box=old.box),
                   safe=old.safe if old.safe.frames else replace(young.safe, before_box=old.box),
                   stays=tuple(stays.items()), asked=young.asked, ignored=young.ignored)


def zone_of(person: Person, zones: Sequence[Zone]) -> str:
    """The zone where they were last seen, the first of several; "" where it has no name."""
    return next((zone.name for zone in zones if zone.name and person.is_in(zone.name)), "")
