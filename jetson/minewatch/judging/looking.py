"""From a frame's detections to people: boxes in shares, helmets that nobody wears set aside, tracks, sights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from minehat.detections import Detections

from .history import History
from .merging import found_again
from .motion import Array
from .person import Sight, after, newcomer
from .settling import settled
from .tracker import Tracks, overlaps, track, without
from .zones import standing

SAME_PLACE = 0.5  # IoU of a helmet with the place of one that nobody wears
REMEMBERED = 60.0  # seconds, at least, that the place of a hidden one is kept


def in_shares(history: History, found: Detections, size: tuple[int, int]) -> Detections:
    """The helmets and heads of a frame of size (width, height), boxes as shares of its sides."""
    boxes = found.boxes.astype(np.float64) / np.array([*size, *size], np.float64)
    sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    sound &= (found.labels == history.helmet) | (found.labels == history.head)
    return Detections(boxes[sound], found.scores[sound], found.labels[sound])


def looked_at(history: History, found: Detections) -> History:
    """After one frame, boxes in shares: every tracked head is a sight of somebody. Nothing is decided yet."""
    history, found = _without_stills(history, found)
    found = settled(found, history.helmet, history.head)
    kinds = (found.labels == history.head).astype(np.float64)
    tracks, numbers = track(history.tracks, found.boxes, found.scores, kinds, history.watched, history.settings)
    rows = np.flatnonzero(numbers)
    if not len(rows):
        return replace(history, tracks=tracks)
    people = dict(history.people)
    for number, sight in _sights(history, found[rows], numbers[rows], tracks):
        people[number] = after(people.get(number) or newcomer(number, sight), sight)
    people, gone = found_again(people, frozenset(tracks.numbers.tolist()), history.frames, history.moment)
    return replace(history, people=people, tracks=without(tracks, gone))


def _without_stills(history: History, found: Detections) -> tuple[History, Detections]:
    """Set aside helmets that nobody wears, before they can explain a bare head away."""
    if not history.stills:
        return history, found
    helmets = np.flatnonzero(found.labels == history.helmet)
    alike = overlaps(np.array([one.box for one in history.stills]), found.boxes[helmets])
    kept, stills = np.ones(len(found), bool), []
    for one, row in zip(history.stills, alike, strict=True):
        best = int(row.argmax()) if len(helmets) else -1
        if best >= 0 and row[best] >= SAME_PLACE:
            kept[helmets[best]] = False
            alike[:, best] = 0
            stills.append(replace(one, seen=history.watched))
        elif history.watched - one.seen <= max(history.rules.still_helmet, REMEMBERED):
            stills.append(one)
    return replace(history, stills=tuple(stills)), found[kept]


def _sights(history: History, found: Detections, numbers: Array, tracks: Tracks) -> list[tuple[int, Sight]]:
    """Each head's track, and the sight that it is."""
    tracked: list[int] = numbers.tolist()
    speeds = dict(zip(tracks.numbers.tolist(), tracks.motion.speeds[:, :2].tolist(), strict=True))
    inside = [standing(zone, found.boxes, _there(history, tracked, zone.name)) for zone in history.zones]
    sights = []
    for row, (number, box) in enumerate(zip(tracked, found.boxes.tolist(), strict=True)):
        zones = tuple(zone for zone, there in zip(history.zones, inside, strict=True) if there[row])
        right, down = speeds[number]
        sights.append((number, Sight(history.moment, history.frames, (box[0], box[1], box[2], box[3]),
                                     float(found.scores[row]), bool(found.labels[row] == history.head), (right, down),
                                     zones)))
    return sights


def _there(history: History, numbers: list[int], zone: str) -> Array:
    """[n] bool: who was in the zone at their latest sight."""
    people = [history.people.get(number) for number in numbers]
    return np.array([one is not None and one.is_in(zone) for one in people], bool)
