"""A picture of an event: what the detector saw, the zones, and whom it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from minehat.detections import Detections
from minehat.draw import drawn
from minehat.guests import load_cv2
from minehat.pictures import write_picture

from ..config.schema import ZonePart
from .verdict import Verdict

COLOURS = {"helmet": (230, 160, 40), "ignore": (120, 120, 120), "no_entry": (30, 190, 240)}  # BGR
MARK = (0, 255, 255)


def sketch(path: Path, frame: npt.NDArray[np.uint8], found: Detections, classes: Sequence[str],
           zones: Sequence[ZonePart], verdict: Verdict) -> None:
    """Write it as JPEG. frame: uint8 [h, w, 3] BGR. found: boxes in pixels of it."""
    cv2 = load_cv2("draw events")
    picture = drawn(frame, found, classes)
    height, width = picture.shape[:2]
    for zone in zones:
        corners = np.rint(np.array(zone.points) * [width, height]).astype(np.int32)
        cv2.polylines(picture, [corners], True, COLOURS[zone.rule], 2)
    if verdict.box:
        x0, y0, x1, y1 = (round(share * side) for share, side in zip(verdict.box, (width, height) * 2, strict=True))
        room = max(4, (y1 - y0) // 4)
        cv2.rectangle(picture, (x0 - room, y0 - room), (x1 + room, y1 + room), MARK, 2)
    text = f"{verdict.kind} {verdict.seconds:.2f} s  person {verdict.track or '-'}"
    cv2.putText(picture, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(picture, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, MARK, 1, cv2.LINE_AA)
    write_picture(path, picture)
