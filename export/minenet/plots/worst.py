"""A contact sheet of the pictures that went worst: what is there and what was found instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from minehat.detections import Detections
from minehat.draw import colour_of
from minehat.labels import Labelled
from minehat.letterbox import letterbox
from minehat.pictures import write_picture
from minehat.scoring import PictureFaults
from minehat.scoring.matching import Pairing, pair_up
from minehat.scoring.pictures import confusion_of, faults_of

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
TILE, CAPTION, COLUMNS, MARGIN = (390, 520), 52, 3, 12  # (height, width) of a tile, pixels; the rest too
WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (150, 150, 150)
DASH = 6  # pixels
KEY = "dashed: there, and missed    solid and thick: found, and wrong    thin: found rightly    grey: ignored"
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class _Wrong:
    """One picture over the threshold, compared."""

    truth: Labelled
    seen: Detections
    pairing: Pairing
    faults: PictureFaults


def draw_worst(truths: Sequence[Labelled], found: Sequence[Detections], classes: Sequence[str], conf: float,
               path: str | Path, count: int = 12) -> None:
    """A .jpg of up to `count` pictures, those where most bare heads are missed or mistaken at `conf` first.

    Raises MineHatError where a picture cannot be read any more or the file cannot be written.
    """
    compared = [_compare(truth, seen[seen.scores >= conf], classes) for truth, seen in zip(truths, found, strict=True)]
    worst = sorted(compared, key=lambda one: one.faults.badness, reverse=True)[:count]
    tiles = [_tile(one, classes) for one in worst if any(one.faults.badness)]
    write_picture(path, _sheet(tiles, f"{len(tiles)} worst of {len(truths)} pictures, threshold {conf:g}"))


def _compare(truth: Labelled, seen: Detections, classes: Sequence[str]) -> _Wrong:
    pairing = pair_up(seen, truth)
    return _Wrong(truth, seen, pairing, faults_of(truth, confusion_of(seen, truth, pairing, len(classes)), classes))


def _tile(one: _Wrong, classes: Sequence[str]) -> Picture:
    """[390 + caption, 520, 3]"""
    tile, placement = letterbox(one.truth.read(), *TILE, pad=255)
    there, seen = placement.to_square(one.truth.boxes), placement.to_square(one.seen.boxes)
    for row in np.flatnonzero(one.truth.ignored):
        _box(tile, there[row], GREY, 1)
    for row, label in enumerate(one.seen.labels):
        if one.pairing.hits[row] >= 0:
            _box(tile, seen[row], colour_of(classes, label), 1)
    for row, label in enumerate(one.truth.labels):
        if not one.truth.ignored[row] and row not in one.pairing.hits:
            _dashed(tile, there[row], colour_of(classes, label))
    for row, label in enumerate(one.seen.labels):
        if one.pairing.hits[row] < 0 and not one.pairing.excused[row]:
            _box(tile, seen[row], colour_of(classes, label), 3)
            _write(tile, f"{classes[label]} {one.seen.scores[row]:.2f}", seen[row], colour_of(classes, label))
    return np.vstack([tile, _caption(one.faults)])


def _caption(faults: PictureFaults) -> Picture:
    strip = np.full((CAPTION, TILE[1], 3), 255, np.uint8)
    for line, text in enumerate((Path(faults.picture).name, faults.told)):
        _text(strip, text, (4, 20 + 22 * line), BLACK, _scale_for(text, TILE[1] - 8))
    return strip


def _sheet(tiles: Sequence[Picture], title: str) -> Picture:
    height, width = TILE[0] + CAPTION, TILE[1]
    rows = -(-len(tiles) // COLUMNS)
    page = np.full((2 * CAPTION + rows * (height + MARGIN), COLUMNS * (width + MARGIN) + MARGIN, 3), 255, np.uint8)
    _text(page, title, (MARGIN, 36), BLACK, 0.9)
    _text(page, KEY if tiles else "nothing is wrong", (MARGIN, 76), BLACK, 0.65)
    for place, tile in enumerate(tiles):
        top, left = 2 * CAPTION + place // COLUMNS * (height + MARGIN), MARGIN + place % COLUMNS * (width + MARGIN)
        page[top:top + height, left:left + width] = tile
    return page


def _box(picture: Picture, box: npt.NDArray[Any], colour: Colour, width: int) -> None:
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, width)


def _dashed(picture: Picture, box: npt.NDArray[Any], colour: Colour) -> None:
    """Dashes of the colour on a white line, which is seen on every ground."""
    _box(picture, box, WHITE, 3)
    x0, y0, x1, y1 = (round(float(side)) for side in box)
    for at in range(x0, x1, 2 * DASH):
        for y in (y0, y1):
            cv2.line(picture, (at, y), (min(at + DASH, x1), y), colour, 3)
    for at in range(y0, y1, 2 * DASH):
        for x in (x0, x1):
            cv2.line(picture, (x, at), (x, min(at + DASH, y1)), colour, 3)


def _write(picture: Picture, text: str, box: npt.NDArray[Any], colour: Colour) -> None:
    """A label over a box, inside the picture."""
    (width, height), below = cv2.getTextSize(text, FONT, 0.45, 1)
    left = max(0, min(round(float(box[0])), picture.shape[1] - width))
    bottom = max(round(float(box[1])) - 3, height + below)
    cv2.rectangle(picture, (left, bottom - height - 2), (left + width, bottom + below - 1), WHITE, cv2.FILLED)
    _text(picture, text, (left, bottom), tuple(part // 2 for part in colour), 0.45)


def _text(picture: Picture, text: str, place: tuple[int, int], colour: Sequence[int], scale: float) -> None:
    plain = text.encode("ascii", "replace").decode("ascii")  # all that OpenCV's font holds
    cv2.putText(picture, plain, place, FONT, scale, colour, 1, cv2.LINE_AA)


def _scale_for(text: str, width: int) -> float:
    """The size of letters at which a line fits, if any does."""
    sizes = (0.55, 0.5, 0.45, 0.4, 0.35)  # the width of a line does not grow in step with them
    return next((size for size in sizes if cv2.getTextSize(text, FONT, size, 1)[0][0] <= width), sizes[-1])
