"""From evidence to verdicts: incidents open and end, people are counted, helmets that nobody wears are set aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..config.schema import RulesPart
from ..events.event import ENDED_BY, Kind
from .evidence import NONE, is_nobodys
from .history import History, Still
from .merging import is_seen_twice, taken_from
from .notices import ended, opened
from .person import Incident, Person, Stay
from .verdict import Verdict

Judged = tuple[History, list[Verdict]]
FOUND_AGAIN = 10.0  # seconds watched after a restart in which a bare head goes on with an incident from before
HELMETS = 2  # sights, at least, that end an incident
COUNTED = 5  # sights in a zone after which somebody has entered it


def decided(history: History) -> Judged:
    """What follows from everybody's evidence."""
    told: list[Verdict] = []
    for number in tuple(history.people):
        for step in (_bare_head, _intruders, _entered, _nobodys):
            history, verdicts = step(history, number)
            told += verdicts
    if history.lost and history.watched - history.lost_since > FOUND_AGAIN:
        verdicts = [end_of(history, one, "not found again after a restart") for one in history.lost]
        return silenced(replace(history, lost=()), verdicts), [*told, *verdicts]
    return history, told


def incidents_of(history: History) -> Iterator[tuple[Incident, Person | None]]:
    """All that are open, and whose they are, where that is known."""
    for person in history.people.values():
        yield from ((one, person) for one in incidents_of_person(person))
    yield from ((one, None) for one in history.lost)


def incidents_of_person(person: Person) -> list[Incident]:
    """Those of one person."""
    theirs = [person.incident, *(stay.incident for _, stay in person.stays)]
    return [one for one in theirs if one]


def end_of(history: History, incident: Incident, remark: str, person: Person | None = None) -> Verdict:
    """The verdict that ends it, now."""
    return Verdict(ENDED_BY[incident.kind], history.now, incident.began, incident.id, incident.zone,
                   person.number if person else 0, incident.score, person.box if person else None, 1, remark=remark)


def silenced(history: History, ends: Sequence[Verdict]) -> History:
    """Nothing is sounded any more of incidents that ended."""
    notices = history.notices
    for one in ends:
        kind: Kind = "bare_head" if one.kind == "bare_head_ended" else "intruder"
        notices = ended(notices, kind, one.zone, one.incident)
    return replace(history, notices=notices)


def _bare_head(history: History, number: int) -> Judged:
    """Open or end the incident of somebody's bare head."""
    person = history.people[number]
    if person.incident is not None:
        return _end_of_bare_head(history, number, person, person.incident)
    zone = next((zone for zone in history.zones if zone.name == person.asked), None)
    if zone is None or person.judged != history.watched or not person.is_bare \
            or not person.bare.reaches(zone.rules.seconds, zone.rules.frames):
        return history, []
    other = taken_from(history.people, number, history.moment)
    if other is not None:
        return _handed_over(history, other, number), []
    if is_seen_twice(history.people, number, history.moment):
        return _with(history, number, replace(person, bare=NONE)), []
    history, incident, told = _opened(history, "bare_head", zone.name, zone.rules, person, person.bare.began)
    return _with(history, number, replace(person, incident=incident, bare=NONE, safe=NONE)), told


def _handed_over(history: History, other: int, number: int) -> History:
    """The incident of one is the other's: their tracks were mixed up."""
    one, mine = history.people[other], history.people[number]
    history = _with(history, number, replace(mine, incident=one.incident, bare=NONE, safe=NONE))
    return _with(history, other, replace(one, incident=None, bare=NONE))


def _end_of_bare_head(history: History, number: int, person: Person, incident: Incident) -> Judged:
    rules = history.rules_in(incident.zone)
    if person.judged == history.watched and person.bare.reaches(rules.seconds, rules.frames):
        return _with(history, number, replace(person, bare=NONE, safe=NONE)), []  # bare again: helmets count anew
    if person.judged == history.watched and person.safe.reaches(rules.quiet, HELMETS):
        remark = "wears a helmet"
    elif person.judged < history.watched and history.watched - person.judged >= rules.quiet:
        remark = "not to be seen any more" if person.seen < history.watched else "has left the zone"
    else:
        return history, []
    told = [end_of(history, incident, remark, person)]
    history = _with(history, number, replace(person, incident=None, bare=NONE, safe=NONE))
    return silenced(history, told), told


def _intruders(history: History, number: int) -> Judged:
    """Open and end incidents of somebody where nobody may be, helmet or not."""
    told: list[Verdict] = []
    for zone in history.zones:
        stay = history.people[number].stay(zone.name) if zone.rule == "no_entry" else None
        if stay and stay.incident is None:
            history, verdicts = _intrudes(history, number, zone.name, zone.rules, stay)
        elif stay:
            history, verdicts = _goes(history, number, zone.name, zone.rules, stay)
        else:
            continue
        told += verdicts
    return history, told


def _intrudes(history: History, number: int, zone: str, rules: RulesPart, stay: Stay) -> Judged:
    person = history.people[number]
    there = stay.last == history.watched and not person.ignored
    if not there or stay.sights < rules.frames or stay.last - stay.first < rules.seconds - 1e-6:
        return history, []
    history, incident, told = _opened(history, "intruder", zone, rules, person, stay.began)
    return _with(history, number, person.with_stay(zone, replace(stay, incident=incident))), told


def _goes(history: History, number: int, zone: str, rules: RulesPart, stay: Stay) -> Judged:
    if stay.incident is None or stay.last == history.watched or history.watched - stay.last < rules.quiet:
        return history, []
    person = history.people[number]
    remark = "has left the zone" if person.seen > stay.last else "not to be seen any more"
    told = [end_of(history, stay.incident, remark, person)]
    return silenced(_with(history, number, person.without_stay(zone)), told), told


def _entered(history: History, number: int) -> Judged:
    """Count somebody who has entered a zone, once a stay. What never moves and bears a helmet may be nobody."""
    person = history.people[number]
    if not (person.rest.moved or person.is_bare):
        return history, []
    for zone in history.zones:
        stay = person.stay(zone.name) if zone.count else None
        if stay and not stay.counted and stay.sights >= COUNTED:
            person = person.with_stay(zone.name, replace(stay, counted=True))
            counts = {**history.counts, zone.name: history.counts.get(zone.name, 0) + 1}
            history = replace(_with(history, number, person), counts=counts)
    return history, []


def _nobodys(history: History, number: int) -> Judged:
    """Set a helmet aside that has lain still too long to be anybody's. Never a bare head."""
    person = history.people[number]
    if person.seen < history.watched or person.is_bare or person.incident \
            or not is_nobodys(person.rest, history.moment, history.rules.still_helmet):
        return history, []
    told = [end_of(history, one, "a helmet that nobody wears", person) for one in incidents_of_person(person)]
    still = Still(person.number, person.box, history.watched)
    people = {other: one for other, one in history.people.items() if other != number}
    return silenced(replace(history, people=people, stills=(*history.stills, still)), told), told


def _opened(history: History, kind: Kind, zone: str, rules: RulesPart, person: Person,
            began: float) -> tuple[History, Incident, list[Verdict]]:
    """An incident of somebody's, and the verdict that tells of it; or one from before a restart, that goes on."""
    before = next((one for one in history.lost if (one.kind, one.zone) == (kind, zone)), None)
    if before:
        return replace(history, lost=tuple(one for one in history.lost if one is not before)), before, []
    incident = Incident(history.next_id(), kind, zone, began, person.score)
    told = Verdict(kind, history.now, began, incident.id, zone, person.number, person.score, person.box, 1)
    notices, loud = opened(history.notices, told, rules)
    return (replace(history, notices=notices, incidents=history.incidents + 1), incident,
            [replace(told, loud=loud)])


def _with(history: History, number: int, person: Person) -> History:
    return replace(history, people={**history.people, number: person})
