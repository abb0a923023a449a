"""Evidence about one head, gathered over its sights: runs of a kind, with the share that the rules want."""

from __future__ import annotations

from dataclasses import dataclass

from ..events.event import Box

NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Moment:
    """A frame's time."""

    now: float  # seconds, of the clock that the judge is told
    watched: float  # seconds of pictures so far: it stands still while none come, so silence proves nothing


@dataclass(frozen=True)
class Run:
    """Sights since `began` of which at least the wanted share are of one kind. Empty while `frames` is 0.

    `weight` grows by 1 - share with each of them and shrinks by share with each other one; below 0 the run is over.
    So no beginning of it, and not the whole, falls short of the share.
    """

    began: float = 0.0  # the first of them, of the judge's clock
    first: float = 0.0  # the same, seconds watched
    last: float = 0.0  # the latest of them, seconds watched
    frames: int = 0  # of them
    weight: float = 0.0
    first_box: Box = NOWHERE  # where the first of them was
    before_box: Box = NOWHERE  # where the head was at the sight before it

    @property
    def lasted(self) -> float:
        """Seconds from the first to the last."""
        return self.last - self.first

    def after(self, moment: Moment, box: Box, before: Box, is_one: bool, share: float) -> Run:
        """The run after one more sight, in `box`; the sight before it was in `before`."""
        if is_one and not self.frames:
            return Run(moment.now, moment.watched, moment.watched, 1, 1 - share, box, before)
        if is_one:
            return Run(self.began, self.first, moment.watched, self.frames + 1, self.weight + 1 - share,
                       self.first_box, self.before_box)
        if not self.frames or self.weight - share < -1e-9:
            return NONE
        return Run(self.began, self.first, self.last, self.frames, self.weight - share, self.first_box, self.before_box)

    def reaches(self, seconds: float, frames: int) -> bool:
        """Whether it lasted so long and was seen so often."""
        return self.frames >= max(frames, 1) and self.lasted >= seconds - 1e-6


NONE = Run()


@dataclass(frozen=True)
class Rest:
    """Whether a head lies still: its place, made smooth, against where it was when it last moved."""

    anchor: tuple[float, float, float, float]  # middle x, middle y, width, height
    smooth: tuple[float, float, float, float]
    since: float  # seconds watched, of the anchor
    latest: float  # seconds watched, of the latest sight
    sights: int = 1  # since the anchor
    bare: int = 0  # of them, without a helmet
    moved: bool = False  # at any time since it was first seen


SMOOTHED = 1.0  # seconds over which places are averaged: a detector's boxes tremble
MOVED = 0.3  # sizes; a person at rest sways by more in minutes, a helmet on a hook does not
BARE_AT_MOST = 0.1  # of the sights of something that is a helmet


def at_rest(place: tuple[float, float, float, float], moment: Moment, bare: bool) -> Rest:
    """From the first sight on."""
    return Rest(place, place, moment.watched, moment.watched, 1, int(bare))


def still(rest: Rest, place: tuple[float, float, float, float], moment: Moment, bare: bool) -> Rest:
    """After one more sight. place: middle x, middle y, width, height."""
    passed = moment.watched - rest.latest
    gain = passed / (passed + SMOOTHED)
    x, y, wide, high = (old + gain * (new - old) for old, new in zip(rest.smooth, place, strict=True))
    x0, y0, wide0, high0 = rest.anchor
    off = max(abs(x - x0) / wide0, abs(y - y0) / high0, abs(wide / wide0 - 1), abs(high / high0 - 1))
    if off > MOVED:
        return Rest((x, y, wide, high), (x, y, wide, high), moment.watched, moment.watched, 1, int(bare), True)
    return Rest(rest.anchor, (x, y, wide, high), rest.since, moment.watched, rest.sights + 1, rest.bare + bare,
                rest.moved)


def is_nobodys(rest: Rest, moment: Moment, seconds: float) -> bool:
    """Whether a helmet has lain still for so long."""
    return moment.watched - rest.since >= seconds and rest.bare <= BARE_AT_MOST * rest.sights
