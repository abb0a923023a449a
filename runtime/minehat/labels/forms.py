"""Which form a labelled set has, found by looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import coco, voc, yolo
from .faults import OnFault
from .marked import Entry


@dataclass(frozen=True)
class Form:
    """One way of writing labels down."""

    name: str
    has_split: Callable[[Path, str], bool]
    looks_like_it: Callable[[Path], bool]
    root_of: Callable[[Path], Path]
    entries: Callable[[Path, str, OnFault], list[Entry]]


FORMS = (Form("Pascal VOC", voc.has_split, voc.looks_like_it, voc.root_of, voc.entries),
         Form("COCO", coco.has_split, coco.looks_like_it, coco.root_of, coco.entries),
         Form("YOLO", yolo.has_split, yolo.looks_like_it, yolo.root_of, yolo.entries))


def form_of(place: Path, split: str) -> Form | None:
    """The first form that has the split there, or else the first that the place looks like; None for neither."""
    return (next((form for form in FORMS if form.has_split(place, split)), None)
            or next((form for form in FORMS if form.looks_like_it(place)), None))
