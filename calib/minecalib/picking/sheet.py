"""The contact sheet: what was picked, at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from minehat.letterbox import letterbox

from .container import Frame
from .content import Content
from .looks import Look

CELL, CAPTION = (192, 108), 16  # pixels of a picture, width and height, and of the line under it
MOST_SHOWN = 1000
COLOURS = {"empty": (170, 170, 170), "few": (120, 220, 120), "many": (90, 200, 255), "unsure": (110, 110, 255)}  # BGR


def thumbnail(number: int, look: Look, frame: Frame) -> Frame:
    """One cell, uint8 [124, 192, 3] BGR: the picture, its number, its brightness and, if known, its content."""
    cell = np.zeros((CELL[1] + CAPTION, CELL[0], 3), np.uint8)
    cell[:CELL[1]] = letterbox(frame, CELL[1], CELL[0], pad=40)[0]
    _write(cell, 4, f"{number:04d}  light {look.brightness:.0f}", (210, 210, 210))
    if look.content is not None:
        _write(cell, 100, _told(look.content), COLOURS[look.content.kind])
    return cell


def contact_sheet(thumbnails: Sequence[Frame]) -> Frame:
    """The cells in rows about as wide as the sheet is high."""
    width, height = CELL[0], CELL[1] + CAPTION
    columns = max(1, round((1.6 * len(thumbnails) * height / width) ** 0.5))
    sheet = np.zeros((-(-len(thumbnails) // columns) * height, columns * width, 3), np.uint8)
    for place, cell in enumerate(thumbnails):
        y, x = place // columns * height, place % columns * width
        sheet[y:y + height, x:x + width] = cell
    return sheet


def _told(content: Content) -> str:
    """`few 2`, or `unsure 1+3?` where three more may be heads."""
    more = f"+{content.doubtful}?" if content.doubtful else ""
    return f"{content.kind} {sum(content.counts.values())}{more}"


def _write(cell: Frame, left: int, text: str, colour: tuple[int, int, int]) -> None:
    cv2.putText(cell, text, (left, len(cell) - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
