"""The same person again: tracks that were lost and found, or that changed their owners, joined by place and time."""

from __future__ import annotations

from collections.abc import Mapping

from ..events.event import Box
from .evidence import Moment
from .person import Person, joined

YOUNG = 1.0  # seconds, and
YOUNG_SIGHTS = 5  # sights, until which a new track may turn out to be somebody who was lost
UNSEEN = 0.5  # seconds, and
UNSEEN_FRAMES = 4  # frames, after which somebody whom the tracker still hopes for may be found elsewhere
LONGEST = 4.0  # seconds that somebody may have been out of sight
NEAR = 1.0  # sizes of a head from where somebody should be, at once, and
SWIFT = 1.0  # more for each second since
ALIKE = 0.5  # least of one height to the other
EDGE = 0.75  # sizes of a head: who was last seen nearer to the edge of the picture, and went that way, has left
SWAPPED = 2.0  # seconds between the last bare sight of one track and the first of another that shows the same head
HELMETS = 3  # sights of one, after which a head that was bare may be another one's


def found_again(people: Mapping[int, Person], tracked: frozenset[int], frame: int,
                moment: Moment) -> tuple[dict[int, Person], set[int]]:
    """Join those whose tracks began just now with those who were lost nearby.

    tracked: numbers of the tracks that live. frame: the latest. Returns the people, and the numbers of tracks that
    showed somebody who is now shown by a younger one.
    """
    young = [number for number, one in people.items() if one.frame == frame and _is_young(one, moment)]
    lost = [number for number, one in people.items() if one.frame < frame and not _has_left(one)
            and (number not in tracked or (moment.watched - one.seen >= UNSEEN and frame - one.frame >= UNSEEN_FRAMES))]
    if not young or not lost:
        return dict(people), set()
    pairs = sorted((steps, new, old) for new in young for old in lost
                   if people[old].born < people[new].born
                   and (steps := _off(people[old], people[new])) <= 1)
    left, gone = dict(people), set[int]()
    done: set[int] = set()
    for _, new, old in pairs:
        if new not in done and old not in gone:
            left[new] = joined(left.pop(old), left[new])
            gone.add(old)
            done.add(new)
    return left, gone


def taken_from(people: Mapping[int, Person], number: int, moment: Moment) -> int | None:
    """Whose incident this bare head's is, since their tracks were mixed up; None where it is nobody's.

    That is somebody with an open one who was lost, or seems to have put on a helmet, when and where this head turned
    bare.
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


def _last_bare(person: Person, moment: Moment) -> tuple[float, Box] | None:
    """When, in seconds watched, and where somebody was bare for the last time; None where they may be so still."""
    if person.safe.frames >= HELMETS:
        return person.safe.first, person.safe.first_box
    if moment.watched - person.seen >= UNSEEN:
        return person.seen, person.box
    return None


def _is_young(person: Person, moment: Moment) -> bool:
    return moment.watched - person.born <= YOUNG or person.sights <= YOUNG_SIGHTS


def _has_left(person: Person) -> bool:
    """Whether they went out of the picture, and were not merely hidden."""
    x0, y0, x1, y1 = person.box
    right, down = person.speed
    wide, high = EDGE * (x1 - x0), EDGE * (y1 - y0)
    return (x0 < wide and right < 0) or (x1 > 1 - wide and right > 0) or (y0 < high and down < 0) \
        or (y1 > 1 - high and down > 0)


def _off(old: Person, new: Person) -> float:
    """How far the new one is from where the old one should be or was, 1 being as far as can be believed."""
    passed = max(new.born - old.seen, 0.0)
    if passed > LONGEST or not _alike(old.box, new.box):
        return float("inf")
    right, down = old.speed[0] * passed, old.speed[1] * passed
    x0, y0, x1, y1 = old.box
    there = (x0 + right, y0 + down, x1 + right, y1 + down)
    return min(_steps(there, new.box), _steps(old.box, new.box)) / (NEAR + SWIFT * passed)


def _alike(one: Box, other: Box) -> bool:
    high, other_high = one[3] - one[1], other[3] - other[1]
    return min(high, other_high) >= ALIKE * max(high, other_high)


def _steps(one: Box, other: Box) -> float:
    """How far apart two heads are, in their sizes."""
    across = (one[0] + one[2] - other[0] - other[2]) / max(one[2] - one[0] + other[2] - other[0], 1e-9)
    down = (one[1] + one[3] - other[1] - other[3]) / max(one[3] - one[1] + other[3] - other[1], 1e-9)
    return float((across**2 + down**2) ** 0.5)
