"""The judge: from what was found in each frame to verdicts. Pure: no clock, no camera, no file.

A bare head opens an incident when one person was seen bare for `seconds`, in `frames` frames, and in `share` of their
sights. It ends when they wear a helmet, or are not to be seen, for `quiet`. Seconds are counted of pictures: while none
come nothing is proved, so an alarm never ends by silence. Tracks that break are joined by place and time, so one person
and stay is one incident. The cool-down holds back the sound of an incident, never the incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from minehat.detections import Detections

from ..config.schema import RulesPart, ZonePart
from ..events.event import Event
from ..status import TrackStatus
from .deciding import Judged, decided, end_of, incidents_of, silenced
from .history import History, labels_of
from .looking import in_shares, looked_at
from .notices import Notices, summaries
from .person import Incident, Person, Stay, zone_of
from .tracker import no_tracks
from .zones import zones_of

JITTER = 1.0  # seconds that time may step back; beyond, the clock was set and nothing carries over
STEP = 2.0  # seconds that one frame may count for: what a longer pause hid has not been seen
BLIND = 60.0  # seconds without a frame, after which whoever is there is somebody new
MOST_PEOPLE = 512  # remembered, with those who are lost
KINDS = {"helmet": "bare_head", "no_entry": "intruder"}  # of incidents, by the zone's rule
KNOWN = 3  # sights after which it is said what somebody wears


def judge(history: History, found: Detections, size: tuple[int, int], now: float) -> Judged:
    """Weigh one frame's detections, boxes in pixels of a frame of that size (width, height), seen at `now`."""
    if now < history.now - JITTER:
        return _anew(history, found, size, now, "the clock of the pictures went back")
    if history.frames and now - history.now > BLIND and (history.people or history.lost):
        return _anew(history, found, size, now, f"no picture for {now - history.now:.0f} s: how it went on is unknown")
    history = looked_at(_later(history, now), in_shares(history, found, size))
    history, told = decided(history)
    notices, due = summaries(history.notices, history.now, history.rules_in)
    history, ends = _forgetting(replace(history, notices=notices))
    return history, [*told, *due, *ends]


def with_rules(history: History, rules: RulesPart, zones: Sequence[ZonePart], classes: Sequence[str]) -> Judged:
    """The same under another configuration: people and incidents stay, but those that no zone asks about end."""
    made = zones_of(zones, rules)
    helmet, head = labels_of(classes)
    names = {zone.name for zone in made}
    asked = {(KINDS.get(zone.rule), zone.name) for zone in made}
    told = [end_of(history, one, "the zone was taken away, or asks for something else", person)
            for one, person in incidents_of(history) if (one.kind, one.zone) not in asked]
    gone = {one.incident for one in told}
    history = replace(history, rules=rules, zones=made, helmet=helmet, head=head,
                      settings=replace(history.settings, gap=rules.gap),
                      people={number: _without(one, gone, names) for number, one in history.people.items()},
                      lost=tuple(one for one in history.lost if one.id not in gone),
                      counts={zone.name: history.counts.get(zone.name, 0) for zone in made if zone.count})
    return silenced(history, told), told


def resumed(history: History, incidents: Sequence[Event], now: float, wall: float) -> History:
    """After a restart: incidents that are open in the store go on. now, wall: one moment, by both clocks.

    Each is taken up by the next person who would open one of its kind and zone, or ends after a while.
    """
    lost = tuple(Incident(one.incident, one.kind, one.zone, now - (wall - one.began), one.score) for one in incidents
                 if one.kind in ("bare_head", "intruder"))
    return replace(history, lost=(*history.lost, *lost), lost_since=history.watched)


def closed(history: History, now: float, remark: str) -> Judged:
    """The end of all incidents where not the judge ends them, as of a camera that is taken away."""
    history = replace(history, now=max(now, history.now))
    told = [end_of(history, one, remark, person) for one, person in incidents_of(history)]
    bare = replace(history, tracks=no_tracks(history.tracks.given), people={}, stills=(), lost=())
    return silenced(bare, told), told


def new_day(history: History) -> History:
    """People are counted from 0 again."""
    return replace(history, counts=dict.fromkeys(history.counts, 0))


def tracks_of(history: History) -> tuple[TrackStatus, ...]:
    """Whom the judge sees now, and helmets that nobody wears."""
    seen = [TrackStatus(one.number, one.box, _wears(one), one.alarmed, zone_of(one, history.zones))
            for one in history.people.values() if history.watched - one.seen <= history.settings.gap]
    return (*seen, *(TrackStatus(one.number, one.box, "ignored", False) for one in history.stills))


def open_incidents(history: History) -> int:
    """How many are open."""
    return sum(1 for _ in incidents_of(history))


def _later(history: History, now: float) -> History:
    now = max(now, history.now)
    passed = now - history.now if history.frames else 0.0
    return replace(history, now=now, watched=history.watched + min(passed, STEP), frames=history.frames + 1)


def _anew(history: History, found: Detections, size: tuple[int, int], now: float, remark: str) -> Judged:
    """All incidents end; numbers and counts go on, and cool-downs where the clock did."""
    back = now < history.now
    history, told = closed(history, now, remark)
    history = replace(history, now=now, notices=Notices() if back else history.notices)
    history, more = judge(history, found, size, now)
    return history, [*(replace(one, seconds=now) for one in told), *more]


def _forgetting(history: History) -> Judged:
    """Drop those who were lost for good, and of too many those who were lost first."""
    watched, quiet = history.watched, max(history.rules.quiet, history.settings.gap)
    people = {number: one for number, one in history.people.items()
              if one.alarmed or one.seen == watched or watched - one.seen <= quiet}
    if len(people) <= MOST_PEOPLE:
        return (history if len(people) == len(history.people) else replace(history, people=people)), []
    kept = dict(sorted(people.items(), key=lambda one: (one[1].seen, one[1].alarmed))[-MOST_PEOPLE:])
    left = replace(history, people={number: one for number, one in people.items() if number not in kept}, lost=())
    told = [end_of(history, one, "too many people to follow", person) for one, person in incidents_of(left)]
    return silenced(replace(history, people=kept), told), told


def _without(person: Person, gone: set[str], zones: set[str]) -> Person:
    """The same without incidents that ended and stays in zones that are no more."""
    incident = None if person.incident and person.incident.id in gone else person.incident
    return replace(person, incident=incident, asked=person.asked if person.asked in zones else None,
                   stays=tuple((name, _ended(stay, gone)) for name, stay in person.stays if name in zones))


def _ended(stay: Stay, gone: set[str]) -> Stay:
    return replace(stay, incident=None) if stay.incident and stay.incident.id in gone else stay


def _wears(person: Person) -> Literal["helmet", "bare", "unknown"]:
    if person.incident:
        return "bare"
    if person.sights < KNOWN:
        return "unknown"
    return "bare" if person.bare.frames > person.safe.frames or (
        person.bare.frames == person.safe.frames and person.is_bare) else "helmet"
