"""Pictures whose decision changed: FP32 beside the lowered model, drawn around what is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from minehat.detections import Detections
from minehat.draw import drawn
from minehat.labels import Labelled
from minehat.pages import picture_uri

from ..gate.exam import Exam
from .decisions import Change

MOST = 12
SIDE = 280  # longest side of a picture on the page, pixels: as large as it stands there, so that its words can be read
AROUND = 1.6  # sides of what is meant that are shown on each side of it
LEAST_SHOWN = 0.3  # of the picture's sides
QUALITY = 82
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Mark:
    """What is meant, over both pictures; pixels of them."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Both:
    """A part of a picture as both models see it."""

    name: str
    told: str
    before: str  # data:image/...
    after: str
    width: int
    height: int
    marks: tuple[Mark, ...]


def shown(changes: Sequence[Change], exam: Exam) -> list[Both]:
    """The first of the changes."""
    return [_both(change, exam.truths[change.row], exam.card.classes) for change in changes[:MOST]]


def _both(change: Change, truth: Labelled, classes: Sequence[str]) -> Both:
    frame = truth.read()
    meant = np.concatenate([truth.boxes[change.lost], truth.boxes[change.found], change.after.boxes[change.came],
                            change.before.boxes[change.gone]])
    left, top, right, bottom = _window(meant, frame.shape[1], frame.shape[0])
    scale = SIDE / max(right - left, bottom - top)
    width, height = (max(1, round(side * scale)) for side in (right - left, bottom - top))
    part = cv2.resize(frame[top:bottom, left:right], (width, height),
                      interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    shift = np.array([left, top] * 2, np.float32)
    before, after = (picture_uri(drawn(part, _inside(seen, shift, scale, width, height), classes), QUALITY)
                     for seen in (change.before, change.after))
    marks = (Mark(*(round(float(value), 1) for value in (x0, y0, x1 - x0, y1 - y0)))
             for x0, y0, x1, y1 in (meant - shift) * scale)
    return Both(truth.path.name, _told(change, truth, classes), before, after, width, height, tuple(marks))


def _window(boxes: Array, width: int, height: int) -> tuple[int, int, int, int]:
    """What is shown of a picture of that size: x0 y0 x1 y1, all boxes with something around them."""
    x0, y0 = boxes[:, :2].min(axis=0)
    x1, y1 = boxes[:, 2:].max(axis=0)
    around = AROUND * float((boxes[:, 2:] - boxes[:, :2]).max())
    ends = [_stretch(x0 - around, x1 + around, width), _stretch(y0 - around, y1 + around, height)]
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def _stretch(low: float, high: float, side: int) -> tuple[int, int]:
    """At least a share of the side, inside it."""
    more = max(0.0, LEAST_SHOWN * side - (high - low)) / 2
    first, last = max(0, int(low - more)), min(side, int(np.ceil(high + more)))
    return min(first, side - 1), max(last, first + 1)


def _inside(seen: Detections, shift: Array, scale: float, width: int, height: int) -> Detections:
    """The detections of which something lies in the part, in its pixels."""
    moved = Detections((seen.boxes - shift) * scale, seen.scores, seen.labels)
    cut = moved.clipped(height, width).boxes
    return moved[(cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])]


def _told(change: Change, truth: Labelled, classes: Sequence[str]) -> str:
    """In words: `lost head 2, new false helmet 1`."""
    words = ("lost", "now found", "new false", "false gone")
    by_class = [change.counts(label, truth) for label in range(len(classes))]
    return ", ".join(f"{word} {name} {counts[kind]}" for kind, word in enumerate(words)
                     for name, counts in zip(classes, by_class, strict=True) if counts[kind])
