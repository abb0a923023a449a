"""Whose head is it? Who was lost and found again, and whose incident a bare head goes on with."""

from dataclasses import replace

import pytest
from minewatch.judging.deciding import incidents_of_person
from minewatch.judging.evidence import Moment, Run
from minewatch.judging.merging import LONGEST, SWAPPED, found_again, taken_from
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
