"""The same person again: tracks that were lost and found, joined by place and time."""

from __future__ import annotations

from collections.abc import Mapping

from .evidence import Moment
from .person import Person, joined

YOUNG = 1.0  # seconds, and
YOUNG_SIGHTS = 5  # sights, until which a new track may turn out to be somebody who was lost
UNSEEN = 0.5  # seconds, and
UNSEEN_FRAMES = 4  # frames, after which somebody whom the tracker still hopes for may be found elsewhere
NEAR = 1.5  # sizes of a head from where somebody was lost, at once, and
SWIFT = 2.0  # more for each second since,
FARTHEST = 6.0  # and no more than that
ALIKE = 0.4  # least of one size to the other


def found_again(people: Mapping[int, Person], tracked: frozenset[int], frame: int,
                moment: Moment) -> tuple[dict[int, Person], set[int]]:
    """Join those whose tracks began just now with those who were lost nearby.

    tracked: numbers of the tracks that live. frame: the latest. Returns the people, and the numbers of tracks that
    showed somebody who is now shown by a younger one.
    """
    young = [number for number, one in people.items() if one.frame == frame and _is_young(one, moment)]
    lost = [number for number, one in people.items() if one.frame < frame and one.sights
            and (number not in tracked or (moment.watched - one.seen >= UNSEEN and frame - one.frame >= UNSEEN_FRAMES))]
    if not young or not lost:
        return dict(people), set()
    pairs = sorted((steps, new, old) for new in young for old in lost
                   if people[old].born < people[new].born
                   and (steps := _steps(people[old], people[new])) <= _reach(people[old], people[new]))
    left, gone = dict(people), set[int]()
    done: set[int] = set()
    for _, new, old in pairs:
        if new not in done and old not in gone:
            left[new] = joined(left.pop(old), left[new])
            gone.add(old)
            done.add(new)
    return left, gone


def _is_young(person: Person, moment: Moment) -> bool:
    return moment.watched - person.born <= YOUNG or person.sights <= YOUNG_SIGHTS


def _reach(old: Person, new: Person) -> float:
    """Sizes of a head that somebody may have gone while nobody saw them."""
    return min(NEAR + SWIFT * max(new.born - old.seen, 0.0), FARTHEST)


def _steps(old: Person, new: Person) -> float:
    """How far apart they are, in sizes of their heads."""
    wide, high = old.box[2] - old.box[0], old.box[3] - old.box[1]
    new_wide, new_high = new.box[2] - new.box[0], new.box[3] - new.box[1]
    if min(high, new_high) < ALIKE * max(high, new_high):
        return float("inf")
    across = (old.box[0] + old.box[2] - new.box[0] - new.box[2]) / max(wide + new_wide, 1e-9)
    down = (old.box[1] + old.box[3] - new.box[1] - new.box[3]) / max(high + new_high, 1e-9)
    return float((across**2 + down**2) ** 0.5)
