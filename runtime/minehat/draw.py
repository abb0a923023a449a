"""Boxes and labels drawn on a frame, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .detections import Detections
from .guests import load_cv2

Colour = tuple[int, int, int]  # BGR

BY_NAME: dict[str, Colour] = {"helmet": (90, 200, 60), "head": (50, 60, 235)}
OTHERS: tuple[Colour, ...] = ((230, 160, 40), (30, 190, 240), (200, 80, 190), (190, 190, 60))
SCALE_SIDE = 1000  # a frame whose mean side is this many pixels gets text of the font's own size


def drawn(frame: npt.NDArray[np.uint8], found: Detections, classes: Sequence[str]) -> npt.NDArray[np.uint8]:
    """A copy of a uint8 [h, w, 3] BGR frame with a box and `label score` for each detection.

    Bare heads are drawn last, so that no helmet's label hides them.
    """
    picture = frame.copy()
    names = [classes[label] for label in found.labels.tolist()]
    for row in sorted(range(len(found)), key=lambda row: (names[row] == "head", -row)):
        _draw(picture, found.boxes[row], colour_of(classes, int(found.labels[row])),
              f"{names[row]} {found.scores[row]:.2f}")
    return picture


def colour_of(classes: Sequence[str], label: int) -> Colour:
    """The BGR colour of a class: green for helmets, red for bare heads."""
    return BY_NAME.get(classes[label], OTHERS[label % len(OTHERS)])


def _draw(picture: npt.NDArray[np.uint8], box: npt.NDArray[Any], colour: Colour, text: str) -> None:
    cv2 = load_cv2("draw boxes")
    size = max(0.35, 0.6 * sum(picture.shape[:2]) / 2 / SCALE_SIDE)
    line = max(1, round(3 * size))
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, line)
    font = cv2.FONT_HERSHEY_SIMPLEX
    (width, height), below = cv2.getTextSize(text, font, size, max(1, line // 2))
    tall = height + below + line
    left = max(0, min(x0, picture.shape[1] - width))
    top = y0 - tall if y0 >= tall else min(y1, picture.shape[0] - tall)  # above the box, else under it
    cv2.rectangle(picture, (left, top), (left + width, top + tall), colour, cv2.FILLED)
    cv2.putText(picture, text, (left, top + height + line // 2), font, size, (0, 0, 0) if sum(colour) > 400
                else (255, 255, 255), max(1, line // 2), cv2.LINE_AA)
