"""Which decoded frames are whole: after damage, none is until the next key frame. Pure.

A decoder that missed a packet paints on with what it has and seldom says so. Two things give it away:
its own flag, and a time stamp that leaps over a frame. What is painted after either is wrong until a
key frame, which needs no other. A stream whose own pace is uneven tells nothing by its leaps; there
only the flag counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

LEAP = 1.6  # of the usual step between two frames
STEPS = 50  # between frames that the usual one is taken from
FEWEST = 5  # of them, below which nothing is usual yet
SILENCE = 1.0  # second, after which a frame must be of after it
UNEVEN = 0.3  # share of other steps, above which the stream is uneven by nature


@dataclass(frozen=True)
class Quarantine:
    """What is remembered between frames. `held`: the next frame is kept back unless it is a key frame."""

    held: bool = False
    seconds: float | None = None  # time stamp of the last frame
    steps: tuple[float, ...] = ()  # the newest ones, in seconds

    def leaps(self, seconds: float | None) -> bool:
        """Whether frames are missing between the last one and one of this time stamp."""
        if seconds is None or self.seconds is None:
            return False
        step = seconds - self.seconds
        if step < 0:
            return True
        usual = usual_step(self.steps)
        return usual is not None and step > LEAP * usual


def passed(quarantine: Quarantine, seconds: float | None, key: bool, corrupt: bool) -> tuple[Quarantine, bool]:
    """Weigh one frame. Returns what to remember, and whether the frame may be looked at."""
    held = corrupt or (not key and (quarantine.held or quarantine.leaps(seconds)))
    return Quarantine(held, seconds, _with_step(quarantine, seconds)), not held


def is_stale(quarantine: Quarantine, seconds: float | None, silence: float) -> bool:
    """Whether a frame that comes after so many seconds of silence is of before it: libav holds the last one back."""
    usual = usual_step(quarantine.steps)
    if seconds is None or quarantine.seconds is None or usual is None:
        return False
    return silence > max(SILENCE, 3 * usual) and seconds - quarantine.seconds < silence / 2


def usual_step(steps: Iterable[float]) -> float | None:
    """Seconds between two frames as a rule; None where there is none."""
    known = [step for step in steps if step > 0]
    if len(known) < FEWEST:
        return None
    usual = median(known)
    odd = sum(abs(step - usual) > usual / 4 for step in known)
    return usual if odd <= UNEVEN * len(known) else None


def _with_step(quarantine: Quarantine, seconds: float | None) -> tuple[float, ...]:
    if seconds is None or quarantine.seconds is None or seconds < quarantine.seconds:
        return quarantine.steps
    return (*quarantine.steps[-STEPS + 1:], seconds - quarantine.seconds)
