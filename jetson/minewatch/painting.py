"""Pictures for the page: a camera's frame, made small, with the people that the judge knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.guests import load_cv2

from .status import TrackStatus

WIDEST = 640  # pixels
QUALITY = 75
COLOURS = {"helmet": (90, 200, 60), "bare": (50, 60, 235), "unknown": (200, 200, 200),  # BGR
           "ignored": (120, 120, 120)}


def live_jpeg(frame: npt.NDArray[np.uint8], tracks: Sequence[TrackStatus], widest: int = WIDEST) -> bytes:
    """A JPEG of a uint8 [h, w, 3] BGR frame, at most `widest` pixels wide, people drawn in it; zones draws the page.

    Helmets are in thin frames; bare heads in thick ones with a mark above, so that nobody needs to tell red from green.
    """
    cv2 = load_cv2("draw the page's pictures")
    height, width = frame.shape[:2]
    if width > widest:
        small = (widest, max(1, round(height * widest / width)))
        picture = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
    else:
        picture = frame.copy()
    for track in sorted(tracks, key=lambda track: track.wears == "bare"):
        _draw(cv2, picture, track)
    written, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(jpeg) if written else b""


def _draw(cv2: Any, picture: npt.NDArray[np.uint8], track: TrackStatus) -> None:
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (round(share * side) for share, side in zip(track.box, (width, height) * 2, strict=True))
    colour, bare = COLOURS[track.wears], track.wears == "bare"
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 3 if bare else 1)
    if bare:
        middle, tip = (x0 + x1) // 2, max(0, y0 - 4)
        mark = np.array([[middle, tip], [middle - 7, tip - 12], [middle + 7, tip - 12]], np.int32)
        cv2.fillPoly(picture, [mark], colour)
