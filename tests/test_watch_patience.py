"""How long the detector's process may take, and when another model is put in its place: on no clock at all."""

from minewatch.detection import standing as stand
from minewatch.detection.standing import FAILURES, RETRY, WINDOW, Limits, Standing

LIMITS = Limits(load=120, hang=2)


def looked(standing, *seconds, now=0.0):
    """After batches that took so long."""
    for one in seconds:
        standing = stand.answered(stand.asked(standing, now), now + one)
        now += one
    return standing


def fallen(standing, *moments):
    """After a process died at each of these moments."""
    for now in moments:
        standing = stand.failed(stand.ready(stand.started(standing, now), now), "killed", "", False, now)
    return standing


def test_a_process_that_is_slow_by_nature_is_not_taken_for_hung_after_a_quick_batch():
    """D2: batches of 4 s where 2 s are the limit, and one of 0.1 s between them."""
    slow = looked(stand.ready(Standing(LIMITS, False), 0.0), *[4.0] * 10, 0.1)
    assert stand.asked(slow, 100.0).patience > 4.0
    quick = looked(stand.ready(Standing(LIMITS, False), 0.0), *[0.1] * 10)
    assert stand.asked(quick, 100.0).patience == 2.0


def test_the_second_choice_gets_as_many_tries_as_the_first():
    """D3: the first model fails three times, then its second choice once: that one is tried again at once."""
    first = fallen(Standing(LIMITS, True), 1, 2, 3)
    assert first.degraded and first.fallback and first.next_try == 3
    for now in (10, 11):
        first = fallen(first, now)
        assert first.fallback and first.next_try == now
    last = fallen(first, 12)
    assert not last.fallback and last.next_try == 12 + RETRY


def test_failures_of_long_ago_count_no_more():
    far_apart = fallen(Standing(LIMITS, False), *(row * WINDOW for row in range(2 * FAILURES)))
    assert not far_apart.degraded and far_apart.replaced == 2 * FAILURES
    assert fallen(Standing(LIMITS, False), 1, 2, 3).degraded


def test_ten_minutes_of_health_end_what_was_degraded_but_not_on_the_second_choice():
    """D3: degraded, and said so, until it has been well for as long as failures count."""
    one = stand.ready(stand.started(fallen(Standing(LIMITS, False), 1, 2, 3), 70), 70)
    assert stand.rested(one, 69 + WINDOW).degraded and not stand.rested(one, 70 + WINDOW).degraded
    two = stand.ready(stand.started(fallen(Standing(LIMITS, True), 1, 2, 3), 70), 70)
    assert stand.rested(two, 71 + WINDOW).degraded
