"""Pictures with their boxes, small enough to stand inside the page."""

from __future__ import annotations

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
from minehat.pages import webp_uri
from minehat.pictures import read_picture
from minehat.sources import shots
from PIL import Image

from .page import Mark, Shown

Frame = npt.NDArray[np.uint8]  # [h, w, 3] BGR
Entry = Mapping[str, Any]  # of one frame, as `minehat detect` writes it
SIDE = 640  # longest side of a picture on the page
CLIP_SIDE = 960
EVERY = 2  # frames of a clip from one shown to the next


def shown_pictures(report: Path, classes: Sequence[str]) -> list[Shown]:
    """The pictures of a `minehat detect --json` report, each with its boxes."""
    return [_shown_picture(entry, classes) for entry in _entries(report)]


def shown_clip(clip: Path, report: Path, classes: Sequence[str], name: str) -> Shown:
    """A clip as one moving picture, boxes drawn, as fast as it was filmed. Counted is its fullest frame."""
    entries = _entries(report)
    frames = [_small(drawn(shot.frame, _found(entry, classes), classes), CLIP_SIDE)
              for row, (shot, entry) in enumerate(zip(shots([str(clip)], _refuse), entries, strict=True))
              if row % EVERY == 0]
    pace = 1000 * entries[-1]["seconds"] / max(len(frames) - 1, 1)
    fullest = max(entries, key=lambda entry: len(entry["detections"]))
    return Shown(_as_uri(frames, round(pace)), name, *frames[0].size, _counts(fullest, classes), ())


def _shown_picture(entry: Entry, classes: Sequence[str]) -> Shown:
    image = _small(read_picture(entry["source"]), SIDE)
    scale = np.array([image.width / entry["width"], image.height / entry["height"]] * 2)
    marks = []
    for row in entry["detections"]:
        x0, y0, x1, y1 = (np.array(row["box"]) * scale).round(1).tolist()
        marks.append(Mark(x0, y0, x1 - x0, y1 - y0, row["label"], row["score"]))
    return Shown(_as_uri([image]), Path(entry["source"]).name, *image.size, _counts(entry, classes), tuple(marks))


def _entries(report: Path) -> list[Entry]:
    images: list[Entry] = json.loads(report.read_text(encoding="utf-8"))["images"]
    return images


def _found(entry: Entry, classes: Sequence[str]) -> Detections:
    rows = entry["detections"]
    return Detections(np.array([row["box"] for row in rows], np.float32).reshape(-1, 4),
                      np.array([row["score"] for row in rows], np.float32),
                      np.array([classes.index(row["label"]) for row in rows], np.int64))


def _counts(entry: Entry, classes: Sequence[str]) -> tuple[tuple[str, int], ...]:
    labels = [row["label"] for row in entry["detections"]]
    return tuple((name, labels.count(name)) for name in classes if name in labels)


def _small(frame: Frame, side: int) -> Image.Image:
    """At most `side` pixels long, never enlarged."""
    height, width = frame.shape[:2]
    side = min(side, max(height, width))
    fitted = place(height, width, side, side)
    image = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
    return image.resize((fitted.new_width, fitted.new_height), Image.Resampling.LANCZOS)


def _as_uri(frames: Sequence[Image.Image], pace_ms: int = 0) -> str:
    """A WebP of one frame, or a moving one."""
    file = io.BytesIO()
    moving = {"save_all": True, "append_images": frames[1:], "duration": pace_ms, "loop": 0} if frames[1:] else {}
    frames[0].save(file, "WEBP", quality=76, **moving)
    return webp_uri(file.getvalue())


def _refuse(exc: Exception) -> None:
    raise exc
