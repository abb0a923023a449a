"""Which incidents are sounded, and which wait for a summary? On the judge's own seconds."""

from minewatch.config.schema import RulesPart
from minewatch.judging.notices import FLOOD_WAIT, Notices, ended, opened, summaries
from minewatch.judging.verdict import Verdict

RULES = RulesPart(cooldown=60, flood=3)


class Told:
    """The notices of a camera, and what was sounded: 1 for an incident, else how many a summary told of."""

    def __init__(self):
        self.notices, self.sounded = Notices(), []

    def opens(self, *moments, zone=""):
        for now in moments:
            verdict = Verdict("bare_head", now, now, f"{zone}{now:g}", zone)
            self.notices, loud = opened(self.notices, verdict, RULES)
            self.sounded += [(now, 1)] * loud

    def ends(self, moment, zone=""):
        self.notices = ended(self.notices, "bare_head", zone, f"{zone}{moment:g}")

    def goes_on_to(self, first, last, step=0.5):
        for half in range(round((last - first) / step) + 1):
            now = first + half * step
            self.notices, told = summaries(self.notices, now, lambda zone: RULES)
            self.sounded += [(now, one.count) for one in told]


def test_as_many_as_the_rules_allow_are_no_flood():
    """C3: the third of three waits for the cool-down."""
    told = Told()
    told.opens(0, 1, 2)
    told.goes_on_to(2, 59)
    assert told.sounded == [(0, 1)]
    told.goes_on_to(60, 61)
    assert told.sounded == [(0, 1), (60, 2)]


def test_a_flood_is_summed_up_once_a_cool_down_and_holds_up_no_later_notice():
    """C3: one more than the rules allow: a summary of all that came meanwhile; the cool-down stays the first one's."""
    told = Told()
    told.opens(0, 1, 2, 3, 4)
    told.goes_on_to(4, 10)
    assert told.sounded == [(0, 1), (3 + FLOOD_WAIT, 4)]
    told.opens(10, 11, 12, 13)
    for ended_one in (10, 11, 12, 13):
        told.ends(ended_one)
    told.goes_on_to(13, 59)
    assert len(told.sounded) == 2
    told.goes_on_to(60, 61)
    told.opens(62)
    assert told.sounded[2:] == [(62, 1)]


def test_a_flood_that_goes_on_has_one_summary_until_the_cool_down_is_over():
    told = Told()
    told.opens(0, 1, 2, 3)
    told.goes_on_to(4, 8)
    told.opens(*range(10, 20))
    told.goes_on_to(20, 59)
    assert told.sounded == [(0, 1), (6, 3)]
    told.goes_on_to(60, 60)
    assert told.sounded[2:] == [(60, 10)]


def test_who_was_held_is_still_told_of_when_another_sounds_first():
    told = Told()
    told.opens(0, 1, 60)
    assert told.sounded == [(0, 1), (60, 1)]
    told.goes_on_to(60, 120)
    assert told.sounded[2:] == [(120, 1)]


def test_an_incident_that_ended_unheard_is_not_summed_up_and_zones_are_apart():
    told = Told()
    told.opens(0, 1)
    told.opens(1, zone="belt")
    told.ends(1)
    told.goes_on_to(1, 70)
    assert told.sounded == [(0, 1), (1, 1)] and not told.notices.quiets
