"""Whether a stream is read more slowly than it comes, so that ever older frames are looked at. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

LATE = 1.0  # second behind its best, and for
LASTING = 2.0  # so many seconds: only key frames are decoded until it has caught up
CAUGHT_UP = 0.3  # seconds behind its best
IN_VAIN = 10.0  # seconds of that, after which the delay is taken for the camera's own
DRIFT = 0.001  # share by which two clocks may differ
LEAP = 5.0  # seconds; a larger step of the time stamps says nothing of delay


@dataclass(frozen=True)
class Lateness:
    """What is remembered between packets. `hurry`: only key frames should be decoded."""

    hurry: bool = False
    best: float | None = None  # least delay seen, of unknown origin
    seconds: float = 0.0  # time stamp of the last packet
    moment: float = 0.0  # when it came
    since: float | None = None  # when it began to be late, or to hurry


def weighed(late: Lateness, seconds: float | None, moment: float) -> Lateness:
    """One more packet: its time stamp, and when it was read (monotonic)."""
    if seconds is None:
        return late
    if late.best is None or not 0 < seconds - late.seconds <= LEAP:
        return Lateness(best=moment - seconds, seconds=seconds, moment=moment)
    best = min(late.best + DRIFT * (moment - late.moment), moment - seconds)
    behind = moment - seconds - best
    late = replace(late, best=best, seconds=seconds, moment=moment)
    if late.hurry:
        return _hurrying(late, behind)
    since = None if behind <= LATE else moment if late.since is None else late.since
    hurry = since is not None and moment - since >= LASTING
    return replace(late, hurry=hurry, since=moment if hurry else since)


def _hurrying(late: Lateness, behind: float) -> Lateness:
    if behind <= CAUGHT_UP:
        return replace(late, hurry=False, since=None)
    if late.since is not None and late.moment - late.since > IN_VAIN:
        return replace(late, hurry=False, since=None, best=late.moment - late.seconds)
    return late
