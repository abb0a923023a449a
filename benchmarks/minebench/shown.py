"""Pictures with their boxes, small enough to stand inside the page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.detections import Detections
from minehat.draw import drawn
from minehat.letterbox import place
from minehat.pictures import read_picture
from minehat.sources import shots
from PIL import Image

from .page import Shown

Frame = npt.NDArray[np.uint8]  # [h, w, 3] BGR
SIDE = 640  # longest side of a small picture
CLIP_SIDE = 800
EVERY = 2  # frames of a clip from one shown to the next


def shown_pictures(report: Path, classes: Sequence[str]) -> list[Shown]:
    """The pictures of a `minehat detect --json` report, each with its boxes."""
    shown = []
    for entry in _entries(report):
        frame = _with_boxes(read_picture(entry["source"]), entry, classes)
        shown.append(Shown(_as_uri([_small(frame, SIDE)]), Path(entry["source"]).name, _counts(entry, classes)))
    return shown


def shown_clip(clip: Path, report: Path, classes: Sequence[str], told: str) -> Shown:
    """A clip as one moving picture, as fast as it was filmed."""
    entries = _entries(report)
    frames = [_small(_with_boxes(shot.frame, entry, classes), CLIP_SIDE)
              for row, (shot, entry) in enumerate(zip(shots([str(clip)], _refuse), entries, strict=True))
              if row % EVERY == 0]
    pace = 1000 * entries[-1]["seconds"] / max(len(frames) - 1, 1)
    most = max(entries, key=lambda entry: len(entry["detections"]))
    return Shown(_as_uri(frames, round(pace)), told, _counts(most, classes), wide=True)


def _entries(report: Path) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["images"]
    return images


def _with_boxes(frame: Frame, entry: Mapping[str, Any], classes: Sequence[str]) -> Frame:
    rows = entry["detections"]
    found = Detections(np.array([row["box"] for row in rows], np.float32).reshape(-1, 4),
                       np.array([row["score"] for row in rows], np.float32),
                       np.array([classes.index(row["label"]) for row in rows], np.int64))
    return drawn(frame, found, classes)


def _counts(entry: Mapping[str, Any], classes: Sequence[str]) -> tuple[tuple[str, int], ...]:
    labels = [row["label"] for row in entry["detections"]]
    return tuple((name, labels.count(name)) for name in classes if name in labels)


def _small(frame: Frame, side: int) -> Image.Image:
    """At most `side` pixels long, never enlarged."""
    height, width = frame.shape[:2]
    fitted = place(height, width, min(side, height), min(side, width)) if max(height, width) > side else None
    image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
    return image.resize((fitted.new_width, fitted.new_height), Image.Resampling.LANCZOS) if fitted else image


def _as_uri(frames: Sequence[Image.Image], pace_ms: int = 0) -> str:
    """A WebP of one frame, or a moving one."""
    file = io.BytesIO()
    moving = {"save_all": True, "append_images": frames[1:], "duration": pace_ms, "loop": 0} if frames[1:] else {}
    frames[0].save(file, "WEBP", quality=78, **moving)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _refuse(exc: Exception) -> None:
    raise exc
