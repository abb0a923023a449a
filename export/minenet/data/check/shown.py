"""Pictures with their boxes, small enough to stand inside the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from minehat.letterbox import place
from minehat.pages import picture_uri

from .findings import Seen

SIDE = 360  # longest side of a picture on the page, pixels
QUALITY = 68


@dataclass(frozen=True)
class Mark:
    """A box that the page draws over a picture, sharp at any size; pixels of the picture."""

    left: float
    top: float
    width: float
    height: float
    name: str  # of its class
    odd: bool  # whether it is meant
    ignored: bool


@dataclass(frozen=True)
class Shown:
    """A picture on the page."""

    uri: str  # data:image/...
    name: str
    where: str  # the split
    path: str
    width: int
    height: int
    marks: tuple[Mark, ...]


def shown(seen: Seen, classes: Sequence[str], odd: Sequence[int] = ()) -> Shown:
    """odd: rows of the boxes that are meant."""
    frame = seen.labelled.read()
    height, width = frame.shape[:2]
    side = min(SIDE, max(height, width))
    fitted = place(height, width, side, side)
    small = cv2.resize(frame, (fitted.new_width, fitted.new_height), interpolation=cv2.INTER_AREA)
    boxes = seen.labelled.boxes * np.array([fitted.scale_x, fitted.scale_y] * 2)
    marks = tuple(Mark(*(round(float(value), 1) for value in (x0, y0, x1 - x0, y1 - y0)),
                       classes[seen.labelled.labels[row]], row in odd, bool(seen.labelled.ignored[row]))
                  for row, (x0, y0, x1, y1) in enumerate(boxes))
    return Shown(picture_uri(small, QUALITY), seen.labelled.path.name, seen.split.title, str(seen.labelled.path),
                 fitted.new_width, fitted.new_height, marks)


def spread(seen: Sequence[Seen], count: int) -> list[Seen]:
    """About `count` pictures, at even distances through each split; of a small split at least a few."""
    by_split: dict[str, list[Seen]] = {}
    for one in seen:
        by_split.setdefault(one.split.title, []).append(one)
    chosen = []
    for ours in by_split.values():
        share = min(len(ours), max(count // 6, round(count * len(ours) / len(seen))))
        chosen += [ours[int(row)] for row in (np.arange(share) + 0.5) * len(ours) / share]
    return chosen
