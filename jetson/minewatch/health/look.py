"""Small grey copies of a camera's frames, looked at over time: which faults of the picture begin and end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..config.schema import HealthPart
from ..events.event import new_id
from ..judging.verdict import Verdict
from .doubts import Bounds, Doubt, due, weighed
from .measures import Measures, measured
from .view import View, agreement, learnt, seen, unsettled

CAUSES = ("dark", "glare", "covered", "blurred", "moved", "frozen")  # the first that holds hides those behind it
BLINDING = CAUSES[:4]  # what is seen of the view meanwhile is not the view
ALONE = "frozen"  # this one excepted: nothing hides it, and it hides nothing
PLAIN = 0.15  # share of a picture that bears texture, below which it shows nothing
GAP, PACES = 5.0, 3  # seconds without a look, and times the pause before, after which the camera was away
SLOW_UP, SLOW_DOWN = 600.0, 43200.0  # seconds in which its own level of detail is learned: what fades is not forgotten
TOLD = {"dark": "the picture is dark: nothing in it is lit",
        "glare": "the picture is overexposed: most of it is white",
        "covered": "the lens is covered: there is nothing to see in most of the picture",
        "blurred": "the picture is blurred: fine detail is lost",
        "moved": "the camera looks elsewhere than it did: check its mounting and its zones",
        "frozen": "the picture is frozen: the camera sends the same one again and again"}


@dataclass(frozen=True)
class Level:
    """What is usual for this camera; 0 before the first look."""

    texture: float = 0.0
    crisp: float = 0.0


@dataclass(frozen=True)
class History:
    """What is remembered of one camera's pictures."""

    part: HealthPart
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    level: Level = field(default_factory=Level)
    view: View = field(default_factory=View)
    print: int | None = None  # of the last frame
    same_since: float = 0.0  # when a frame with that print was seen first
    looked: float | None = None
    pause: float = 0.0  # seconds between the last two looks

    @classmethod
    def fresh(cls, part: HealthPart) -> History:
        """Of a camera that nobody has looked through; its view, wherever it points, is the right one."""
        return cls(part)

    @property
    def faults(self) -> tuple[str, ...]:
        """The causes that hold now."""
        return tuple(cause for cause in CAUSES if cause in self.doubts and self.doubts[cause].incident)


def with_part(history: History, part: HealthPart) -> History:
    """The same under another configuration; what it no longer asks for ends with the next look."""
    return replace(history, part=part)


def closed(history: History, now: float, remark: str) -> tuple[History, list[Verdict]]:
    """Nobody looks through this camera any more, or it is another one from now on: its faults end."""
    ended = [replace(_ended(doubt, cause, now), remark=remark) for cause, doubt in history.doubts.items()
             if doubt.incident]
    return History.fresh(history.part), ended


def look(history: History, thumb: npt.NDArray[np.uint8], print: int, now: float) -> tuple[History, list[Verdict]]:
    """Look at uint8 [h, w] grey, of a frame with this CRC, at `now` monotonic seconds: twice a second or so."""
    seconds = 0.0 if history.looked is None else now - history.looked
    if history.looked is None or seconds > max(GAP, PACES * history.pause):
        history = _back(history, now)
    measures, detail = measured(thumb)
    blind = any(history.doubts[cause].on for cause in BLINDING if cause in history.doubts)
    view = unsettled(history.view) if blind else seen(history.view, detail, seconds)
    history = replace(history, looked=now, pause=seconds, view=view)
    if print != history.print:
        history = replace(history, print=print, same_since=now)
    history = replace(history, doubts=_doubts(history, measures, now))
    if not any(doubt.on or doubt.incident for doubt in history.doubts.values()):
        history = replace(history, level=_learnt(history.level, measures, seconds), view=learnt(history.view, seconds))
    return _settled(history, now)


def _back(history: History, now: float) -> History:
    """The camera was away: no doubt grows over the gap, and one that was young is dropped."""
    doubts = {cause: replace(doubt, on=bool(doubt.incident), since=now) for cause, doubt in history.doubts.items()}
    return replace(history, doubts=doubts, view=unsettled(history.view), print=None)


def _doubts(history: History, measures: Measures, now: float) -> dict[str, Doubt]:
    """All of them after this look; each hides those behind it."""
    doubts, hidden = {}, False
    for cause in CAUSES:
        measure = None if hidden and cause != ALONE else _measure(cause, history, measures, now)
        doubts[cause] = weighed(history.doubts.get(cause, Doubt()), measure, _bounds(cause, history, measures), now)
        hidden = hidden or (doubts[cause].on and cause != ALONE)
    return doubts


def _measure(cause: str, history: History, measures: Measures, now: float) -> float | None:
    """Low where the cause holds."""
    if cause == "dark":
        return measures.light
    if cause == "glare":
        return 1 - measures.burnt
    if cause == "blurred":
        return measures.crisp
    if cause == "covered":
        return measures.texture
    return agreement(history.view) if cause == "moved" else history.same_since - now


def _bounds(cause: str, history: History, measures: Measures) -> Bounds:
    """Absolute floors, and shares of what is usual for this camera."""
    level = history.level
    blurred = Bounds(max(0.2, 0.6 * level.crisp), max(0.25, 0.7 * level.crisp))
    if cause == "covered":  # what is blurred has lost texture, too: then only next to none of it is a cover
        usual = 0.0 if measures.crisp < blurred.enter else level.texture
        return Bounds(max(PLAIN, 0.5 * usual), max(1.5 * PLAIN, 0.6 * usual))
    return {"dark": Bounds(28, 36), "glare": Bounds(0.5, 0.65), "blurred": blurred, "moved": Bounds(0.65, 0.8),
            "frozen": Bounds(-history.part.frozen_seconds, -1e-9)}[cause]


def _learnt(level: Level, measures: Measures, seconds: float) -> Level:
    return Level(_followed(level.texture, measures.texture, seconds), _followed(level.crisp, measures.crisp, seconds))


def _followed(usual: float, now: float, seconds: float) -> float:
    """Slowly up, and much more slowly down."""
    if not usual:
        return now
    return usual + (now - usual) * (1 - float(np.exp(-seconds / (SLOW_UP if now > usual else SLOW_DOWN))))


def _settled(history: History, now: float) -> tuple[History, list[Verdict]]:
    """Faults begin and end where it is time."""
    doubts, verdicts = dict(history.doubts), []
    for cause, doubt in history.doubts.items():
        asked = getattr(history.part, cause)
        wait = 0.0 if cause == ALONE and doubt.on else history.part.seconds
        if asked and due(doubt, wait, now) and doubt.on:
            began = history.same_since if cause == ALONE else doubt.since
            doubts[cause] = replace(doubt, incident=new_id(), began=began)
            verdicts.append(Verdict("camera_fault", now, began, doubts[cause].incident, loud=True, cause=cause,
                                    remark=TOLD[cause]))
        elif doubt.incident and (not asked or (due(doubt, wait, now) and not doubt.on)):
            doubts[cause] = replace(doubt, incident="")
            verdicts.append(_ended(doubt, cause, now))
    return replace(history, doubts=doubts), verdicts


def _ended(doubt: Doubt, cause: str, now: float) -> Verdict:
    return Verdict("camera_well", now, doubt.began, doubt.incident, cause=cause)
