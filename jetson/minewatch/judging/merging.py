"""The same person again: tracks that were lost and found, or that changed their owners, joined by place and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..events.event import Box
from .evidence import Moment
from .motion import Array
from .person import Person, joined
from .tracker import overlaps

YOUNG = 1.0  # seconds, and
YOUNG_SIGHTS = 5  # sights, until which a new track may turn out to be somebody who was lost
UNSEEN = 0.5  # seconds, and
UNSEEN_FRAMES = 4  # frames, after which somebody whom the tracker still hopes for may be found elsewhere
LONGEST = 4.0  # seconds that somebody may have been out of sight
NEAR = 1.0  # sizes of a head from where somebody should be, at once, and
SWIFT = 1.0  # more for each second since
KIND = 0.25  # of what can be believed, that a helmet and a bare head are further apart than two of a kind
ALIKE = 0.5  # least of one height to the other
EDGE = 0.75  # sizes of a head: who was last seen nearer to the edge of the picture has left, if they went that way by
LEAVING = 0.3  # sizes a second, at least
SWAPPED = 2.0  # seconds between the last bare sight of one track and the first of another that shows the same head
HELMETS = 3  # sights of one, after which a head that was bare may be another one's
TWICE = 0.25  # IoU from which two boxes may be of one head, found twice


def found_again(people: Mapping[int, Person], tracked: frozenset[int], frame: int,
                moment: Moment) -> tuple[dict[int, Person], set[int]]:
    """Join those whose tracks began just now with those who were lost nearby.

    tracked: numbers of the tracks that live. frame: the latest. Returns the people, and the numbers of tracks that
    showed somebody who is now shown by a younger one.
    """
    young = [number for number, one in people.items() if one.frame == frame and _is_young(one, moment)]
    lost = [number for number, one in people.items() if one.frame < frame and not _has_left(one, moment)
            and (number not in tracked or (moment.watched - one.seen >= UNSEEN and frame - one.frame >= UNSEEN_FRAMES))]
    if not young or not lost:
        return dict(people), set()
    off = _off([people[number] for number in lost], [people[number] for number in young])
    rows, columns = np.nonzero(off <= 1)
    left, gone, done = dict(people), set[int](), set[int]()
    for pair in np.argsort(off[rows, columns], kind="stable").tolist():
        old, new = lost[rows[pair]], young[columns[pair]]
        if new not in done and old not in gone:
            left[new] = joined(left.pop(old), left[new])
            gone.add(old)
            done.add(new)
    return left, gone


def taken_from(people: Mapping[int, Person], number: int, moment: Moment) -> int | None:
    """Whose incident this bare head's is, since their tracks were mixed up; None where it is nobody's.

    That is somebody with an open one who was lost, or seems to have put on a helmet, when and where this head turned
    bare. Who went out of the picture is not lost: whoever comes in where they left is somebody else.
    """
    mine, found = people[number].bare, []
    for other, one in people.items():
        if other == number or one.incident is None:
            continue
        last = _last_bare(one, moment)
        if last is None or abs(mine.first - last[0]) > SWAPPED or not _alike(last[1], mine.first_box):
            continue
        steps = _steps(last[1], mine.first_box)
        if steps <= NEAR + SWIFT * abs(mine.first - last[0]):
            found.append((steps, other))
    return min(found)[1] if found else None


def is_seen_twice(people: Mapping[int, Person], number: int, moment: Moment) -> bool:
    """Whether somebody with an open incident is seen in the same place: a head that was found twice, for as long."""
    seen = [one.box for other, one in people.items()
            if other != number and one.incident is not None and moment.watched - one.seen <= UNSEEN]
    return bool(seen) and bool((overlaps(np.array(seen), np.array([people[number].box])) >= TWICE).any())


def _last_bare(person: Person, moment: Moment) -> tuple[float, Box] | None:
    """When, in seconds watched, and where somebody was bare for the last time; None where they may be so still."""
    if person.safe.frames >= HELMETS:
        return person.safe.first, person.safe.before_box
    if moment.watched - person.seen >= UNSEEN and not _has_left(person, moment):
        return person.seen, person.box
    return None


def _is_young(person: Person, moment: Moment) -> bool:
    return not person.alarmed and (moment.watched - person.born <= YOUNG or person.sights <= YOUNG_SIGHTS)


def _has_left(person: Person, moment: Moment) -> bool:
    """Whether they went out of the picture, or would have by now at their pace, and were not merely hidden."""
    x0, y0, x1, y1 = person.box
    return _is_over(x0, x1, person.speed[0], moment.watched - person.seen) \
        or _is_over(y0, y1, person.speed[1], moment.watched - person.seen)


def _is_over(low: float, high: float, speed: float, passed: float) -> bool:
    """Whether a head that spans from low to high, shares of the picture's side, goes over its edge in that time."""
    size = max(high - low, 1e-9)
    if abs(speed) <= LEAVING * size:
        return False
    room = low if speed < 0 else 1 - high
    return room < EDGE * size or abs(speed) * passed > room + size


def _off(old: Sequence[Person], new: Sequence[Person]) -> Array:
    """[n, m]: how far each new one is from where each old one should be or was, 1 being as far as can be believed."""
    boxes, others = (np.array([one.box for one in people])[:, None] for people in (old, new))
    others = others.transpose(1, 0, 2)
    born, known = (np.array([one.born for one in people]) for people in (new, old))
    passed = np.maximum(born[None] - np.array([one.seen for one in old])[:, None], 0)
    gone = np.array([one.speed for one in old])[:, None] * passed[..., None]
    sides, other_sides = boxes[..., 2:] - boxes[..., :2], others[..., 2:] - others[..., :2]
    middles = (others[..., :2] + others[..., 2:] - boxes[..., :2] - boxes[..., 2:]) / 2
    sizes = np.maximum((sides + other_sides) / 2, 1e-9)
    steps = np.minimum(np.linalg.norm(middles / sizes, axis=2), np.linalg.norm((middles - gone) / sizes, axis=2))
    high, other_high = sides[..., 1], other_sides[..., 1]
    may = (passed <= LONGEST) & (known[:, None] < born[None])
    may &= np.minimum(high, other_high) >= ALIKE * np.maximum(high, other_high)
    bare, now_bare = (np.array([one.is_bare for one in people]) for people in (old, new))
    return np.where(may, steps / (NEAR + SWIFT * passed) + KIND * (bare[:, None] != now_bare[None]), np.inf)


def _alike(one: Box, other: Box) -> bool:
    high, other_high = one[3] - one[1], other[3] - other[1]
    return min(high, other_high) >= ALIKE * max(high, other_high)


def _steps(one: Box, other: Box) -> float:
    """How far apart two heads are, in their sizes."""
    across = (one[0] + one[2] - other[0] - other[2]) / max(one[2] - one[0] + other[2] - other[0], 1e-9)
    down = (one[1] + one[3] - other[1] - other[3]) / max(one[3] - one[1] + other[3] - other[1], 1e-9)
    return float((across**2 + down**2) ** 0.5)
