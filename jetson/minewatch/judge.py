"""The judge: from what was found in each frame to alarms. Pure: no clock, no camera, no file.

A bare head opens an alarm when it has been seen for at least 1.0 s and in at least 5 frames. Only a
frame that shows no bare head can speak against one, so an alarm never closes because pictures
stopped coming. Alarms are counted per source, not per person. The cool-down holds back the sound
of an alarm, never the event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.detections import Detections

from .events import Event

Array = npt.NDArray[Any]
COVERED = 0.7  # share of the smaller box that lies in the larger: the two show one head ...
ALIKE = 0.3  # ... unless the smaller one has less than this share of the larger one's area
JITTER = 1.0  # seconds that time stamps may step back; beyond, the clock was set and nothing carries over


@dataclass(frozen=True)
class Rules:
    """What makes an alarm. Seconds are of the clock that `judge` is given."""

    helmet: int = 0  # rows of ModelCard.classes; -1 where the model has no such class
    head: int = 1
    seconds: float = 1.0  # from the first to the last sight of a bare head
    frames: int = 5  # that show one
    gap: float = 1.5  # without one that are forgiven before the alarm opens
    quiet: float = 5.0  # without one that close an open alarm
    cooldown: float = 60.0  # between two sounds

    def for_still(self) -> Rules:
        """The same for a single picture: there is nothing to wait for."""
        return replace(self, seconds=0.0, frames=1)



@dataclass(frozen=True)
class History:
    """What the judge remembers of one source between frames."""

    source: str
    rules: Rules = Rules()
    now: float = -math.inf  # of the last frame judged
    began: float | None = None  # the first sight of the bare heads that are being watched
    last: float = -math.inf  # their latest sight
    frames: int = 0  # that showed them
    most: int = 0  # of them at once
    best: float = 0.0  # highest score among them
    opened: bool = False
    sounded: float = -math.inf  # when an alarm was last sounded


def judge(history: History, found: Detections, now: float,
          frame: int | None = None) -> tuple[History, list[Event]]:
    """Weigh one frame's detections, seen at `now`; `frame` is its index, for the events."""
    if now < history.now - JITTER:
        fresh, events = judge(History(history.source, history.rules), found, now, frame)
        return fresh, [*broken_off(history, "the source's clock went back", frame), *events]
    heads = settled(found, history.rules)
    heads = heads[heads.labels == history.rules.head]
    history = replace(history, now=max(now, history.now))
    return _seen(history, heads, frame) if len(heads) else _not_seen(history, frame)


def broken_off(history: History, remark: str, frame: int | None = None) -> list[Event]:
    """The end of the alarm that is open, if one is, where the source and not the judge ended it."""
    return [_ended(history, frame, remark)] if history.opened else []


def settled(found: Detections, rules: Rules) -> Detections:
    """One label for each person: of a helmet and a head in one place the better-scored stays, ties the head.

    In one place: at least 0.7 of the smaller box lies in the larger, and it has at least 0.3 of its
    area; a small head inside a large helmet box is somebody farther off.
    """
    helmets, heads = (np.flatnonzero(found.labels == label) for label in (rules.helmet, rules.head))
    same = _one_place(found.boxes[heads], found.boxes[helmets])
    head_wins = found.scores[heads][:, None] >= found.scores[helmets][None]
    kept = np.ones(len(found), bool)
    kept[heads] = ~(same & ~head_wins).any(axis=1)
    kept[helmets] = ~(same & head_wins).any(axis=0)
    return found[kept]


def _one_place(boxes: Array, others: Array) -> Array:
    """[n, m] bool: box i of [n, 4] and box j of [m, 4] show one person's head."""
    left_top = np.maximum(boxes[:, None, :2], others[None, :, :2])
    right_bottom = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(right_bottom - left_top, 0, None), axis=2)
    areas, other_areas = (np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, others))
    smaller = np.minimum(areas[:, None], other_areas[None])
    larger = np.maximum(areas[:, None], other_areas[None])
    alike: Array = (shared >= COVERED * smaller) & (smaller >= ALIKE * larger)
    return alike


def _seen(history: History, heads: Detections, frame: int | None) -> tuple[History, list[Event]]:
    """A frame with bare heads: open an alarm when that is enough, and sound it again after the cool-down."""
    rules, now, surest = history.rules, history.now, int(heads.scores.argmax())
    score = float(heads.scores[surest])
    history = replace(history, began=now if history.began is None else history.began, last=now,
                      frames=history.frames + 1, most=max(history.most, len(heads)),
                      best=max(history.best, score))
    assert history.began is not None
    enough = history.frames >= rules.frames and now - history.began >= rules.seconds - 1e-6
    loud = now - history.sounded >= rules.cooldown
    if not (loud if history.opened else enough):
        return history, []
    x0, y0, x1, y1 = heads.boxes[surest].tolist()
    event = Event("bare_head_still" if history.opened else "bare_head", history.source, now, history.began,
                  frame, score, (x0, y0, x1, y1), len(heads), loud)
    return replace(history, opened=True, sounded=now if loud else history.sounded), [event]


def _not_seen(history: History, frame: int | None) -> tuple[History, list[Event]]:
    """A frame without: close the alarm, or drop what there was of one, when that has lasted."""
    absent = history.now - history.last
    if history.opened and absent >= history.rules.quiet:
        event = _ended(history, frame, f"last seen at {history.last:.2f} s")
        return _forgotten(history), [event]
    if not history.opened and absent > history.rules.gap:
        return _forgotten(history), []
    return history, []


def _ended(history: History, frame: int | None, remark: str) -> Event:
    assert history.began is not None
    return Event("bare_head_ended", history.source, history.now, history.began, frame, history.best,
                 None, history.most, remark=remark)


def _forgotten(history: History) -> History:
    return History(history.source, history.rules, history.now, sounded=history.sounded)
