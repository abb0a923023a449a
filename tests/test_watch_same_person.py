"""Whose head is it? Who was lost and found again, and whose incident a bare head goes on with."""

from dataclasses import replace

import pytest
from minewatch.judging.deciding import incidents_of_person
from minewatch.judging.evidence import Moment, Run
from minewatch.judging.merging import LONGEST, SWAPPED, found_again, is_seen_twice, taken_from
from minewatch.judging.person import Incident, Sight, newcomer

FRAME, NOW = 100, 50.0
OPEN = Incident("i", "bare_head", "", 45.0, 0.8)


def box_at(x, y=0.4, side=0.1):
    return (x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def somebody(number, x, born, seen, **more):
    """A head of a tenth of the picture; who was seen now was seen in the newest frame."""
    frame = FRAME if seen == NOW else FRAME - 20
    sight = Sight(Moment(born, born), frame, box_at(x), 0.8, True, (0.0, 0.0), ())
    return replace(newcomer(number, sight), born=born, seen=seen, frame=frame, **more)


def joined(*people, tracked=frozenset()):
    """Whom found_again leaves, by the number that shows them, with the number that they had first."""
    left, gone = found_again({one.number: one for one in people}, tracked, FRAME, Moment(NOW, NOW))
    return {number: one.number for number, one in left.items()}, gone


def test_somebody_who_was_lost_is_found_under_a_new_number():
    assert joined(somebody(1, 0.5, 40, 49), somebody(2, 0.55, NOW, NOW)) == ({2: 1}, {1})


@pytest.mark.parametrize("lost", [
    somebody(1, 0.5, 40, NOW - LONGEST - 1),  # too long ago
    somebody(1, 0.1, 40, 49),  # elsewhere
    somebody(1, 0.53, 49.95, 49.98)])  # came when the other one did
def test_somebody_else_is_not_found(lost):
    young = somebody(2, 0.5, 49.9 if lost.born > 49 else NOW, NOW)
    assert joined(lost, young) == ({1: 1, 2: 2}, set())


def test_who_walked_out_of_the_picture_is_not_who_comes_in_there():
    out = somebody(1, 0.96, 40, 49.5, speed=(0.1, 0.0))
    assert joined(out, somebody(2, 0.95, NOW, NOW)) == ({1: 1, 2: 2}, set())
    assert joined(replace(out, speed=(0.0, 0.0)), somebody(2, 0.95, NOW, NOW)) == ({2: 1}, {1})


def test_who_would_be_out_of_the_picture_by_now_is_not_who_comes_in():
    """They were hidden on their way out; 0.35 of the picture is left to its edge, and a head's size."""
    hidden = somebody(1, 0.6, 40, NOW - 3, speed=(0.2, 0.0))
    assert joined(hidden, somebody(2, 0.75, NOW, NOW)) == ({1: 1, 2: 2}, set())
    assert joined(replace(hidden, speed=(0.1, 0.0)), somebody(2, 0.75, NOW, NOW)) == ({2: 1}, {1})
    assert joined(replace(hidden, speed=(-0.1, 0.0)), somebody(2, 0.35, NOW, NOW)) == ({2: 1}, {1})


def test_of_two_who_were_lost_the_nearer_one_is_found_and_each_once():
    near, far, young = somebody(1, 0.48, 40, 49), somebody(3, 0.40, 40, 49), somebody(2, 0.5, NOW, NOW)
    assert joined(far, near, young) == ({3: 3, 2: 1}, {1})
    assert joined(near, young, somebody(4, 0.51, NOW, NOW))[1] == {1}


def test_a_new_track_with_an_incident_of_its_own_is_nobody_who_was_lost():
    young = somebody(2, 0.5, NOW, NOW, incident=OPEN)
    left, gone = joined(somebody(1, 0.5, 40, 49), young)
    assert (left, gone) == ({1: 1, 2: 2}, set()) and incidents_of_person(young) == [OPEN]


def test_a_head_that_turned_bare_where_and_when_an_alarmed_one_was_lost_goes_on_with_that_incident():
    """C2: tracks that were mixed up make no second event."""
    bare = Run(NOW - 1, NOW - 1, NOW, 6, 1.0, box_at(0.5), box_at(0.5))
    mine = somebody(2, 0.5, NOW - 3, NOW, bare=bare)
    lost = somebody(1, 0.45, 40, NOW - 1, incident=OPEN)

    def whose(*others):
        return taken_from({one.number: one for one in (mine, *others)}, 2, Moment(NOW, NOW))

    assert whose(lost) == 1
    assert whose(replace(lost, incident=None)) is None
    assert whose(replace(lost, seen=NOW - 1 - SWAPPED - 0.1)) is None  # long before
    assert whose(somebody(3, 0.59, 40, NOW - 1, incident=OPEN), lost) == 1  # the nearer one's
    assert whose(lost, somebody(3, 0.59, 40, NOW - 1, incident=OPEN)) == 1


def test_whoever_comes_in_where_an_alarmed_one_went_out_has_an_incident_of_their_own():
    bare = Run(NOW - 1, NOW - 1, NOW, 6, 1.0, box_at(0.94), box_at(0.94))
    mine = somebody(2, 0.9, NOW - 1, NOW, bare=bare)
    out = somebody(1, 0.96, 40, NOW - 1.5, incident=OPEN)

    def whose(other):
        return taken_from({1: other, 2: mine}, 2, Moment(NOW, NOW))

    assert whose(out) == 1
    assert whose(replace(out, speed=(0.1, 0.0))) is None


def test_a_head_that_is_found_twice_is_the_alarmed_one_for_as_long_as_they_lie_upon_each_other():
    alarmed = somebody(1, 0.5, 40, NOW, incident=OPEN)

    def is_twice(other):
        return is_seen_twice({1: other, 2: somebody(2, 0.55, 40, NOW)}, 2, Moment(NOW, NOW))

    assert is_twice(alarmed)
    assert not is_twice(replace(alarmed, incident=None))
    assert not is_twice(replace(alarmed, box=box_at(0.42)))
    assert not is_twice(replace(alarmed, seen=NOW - 1))
