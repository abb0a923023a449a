"""YOLO: one .txt a picture, each line a class number and x y width height, in shares of the picture, centre first.

Where the pictures of a split lie, data.yaml tells (folders, lists of folders, .txt lists of pictures; `path:` or its
own folder is where they begin); else images/<split>, <split>/images, <split> or <split>.txt. The .txt of a picture
lies in the folder whose path says labels where the picture's last says images, or else beside it; it must be there,
and may be empty. Class names: `names` of data.yaml, classes.txt or obj.names; a number without a name is a name.

A line of an outline (class x y x y x y ...) becomes the box around it, as YOLO's own trainers make of it; of a line
with key points (data.yaml has kpt_shape) the box is taken.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from .faults import Fault, OnFault
from .marked import Entry, Marked, Thing
from .texts import lines_of
from .yolo_layout import NAME_FILES, Layout, layout_of, yaml_of

SHOWN = 60  # characters of a line in a fault
Box = tuple[float, float, float, float]


def has_split(place: Path, split: str) -> bool:
    """Whether data.yaml tells of the split, or the folder has it."""
    layout = layout_of(place, lambda fault: None)
    return layout is not None and bool(layout.places(split) or _holds(layout, split))


def looks_like_it(place: Path) -> bool:
    """Whether the folder has a part of the form, or the place is a YAML file."""
    return yaml_of(place) is not None or any((place / part).exists() for part in ("images", "labels", *NAME_FILES))


def root_of(place: Path) -> Path:
    """The set's folder."""
    return place.absolute().parent if place.is_file() else place


def entries(place: Path, split: str, on_fault: OnFault) -> list[Entry]:
    """The pictures of the split."""
    layout = layout_of(place, on_fault)
    if layout is None:
        return []
    if not layout.places(split) and layout.folder(split) is None:
        on_fault(Fault("unreadable list", layout.file or place, _without_split(layout, split)))
        return []
    names, points = layout.names(on_fault), "kpt_shape" in layout.settings
    return [Entry(os.path.normpath(picture), listing, where, partial(_read, picture, names, points))
            for picture, listing, where in layout.pictures(split, on_fault)]


def _holds(layout: Layout, split: str) -> bool:
    """Whether the folder of the split has labels, so that it is no other form's."""
    found = layout.folder(split)
    return found is not None and (found.suffix == ".txt" or any(
        _label_of(picture).is_file() for picture, _, _ in layout.pictures(split, lambda fault: None)))


def _without_split(layout: Layout, split: str) -> str:
    told = f"names no {split}" if layout.file else f"has no images/{split} or {split}/images"
    return (f"{told}: put the pictures in images/{split} and their .txt in labels/{split}, or write the paths of the "
            f"pictures into {layout.root / f'{split}.txt'}, one a line")


def _read(picture: Path, names: Mapping[int, str], points: bool, on_fault: OnFault) -> Marked | None:
    label = _label_of(picture)
    if not os.path.isfile(label):
        on_fault(Fault("missing labels", label, f"is not there; where nothing is to be seen in {picture.name}, let it "
                       "be an empty file"))
        return None
    lines = lines_of(label, "broken labels", on_fault)
    return None if lines is None else Marked(picture, label, tuple(_things(lines, label, names, points, on_fault)),
                                             in_shares=True)


def _label_of(picture: Path) -> Path:
    """The .txt of a picture; where it should be, if there is none."""
    beside = picture.with_suffix(".txt")
    parts = beside.parts
    last = max((place for place, part in enumerate(parts) if part == "images"), default=None)
    if last is None:
        return beside
    apart = Path(*parts[:last], "labels", *parts[last + 1:])
    return beside if os.path.isfile(beside) and not os.path.isfile(apart) else apart


def _things(lines: list[tuple[int, str]], label: Path, names: Mapping[int, str], points: bool,
            on_fault: OnFault) -> Iterator[Thing]:
    for number, line in lines:
        where = f"line {number} ({line[:SHOWN]}{'...' * (len(line) > SHOWN)})"
        try:
            index, *numbers = map(float, line.split())
            if index < 0 or not index.is_integer():
                raise ValueError("a class is a whole number from 0 on")
            box = _box(numbers[:4] if points else numbers)
        except (ValueError, OverflowError) as exc:
            told = "it must be numbers alone" if "convert" in str(exc) else str(exc)
            on_fault(Fault("broken labels", label, f"{where}: {told}"))
        else:
            yield Thing(names.get(int(index), str(int(index))), box, False, where)


def _box(numbers: list[float]) -> Box:
    """Corners of a box or around an outline. nan where a number is not finite."""
    if len(numbers) != 4 and (len(numbers) < 6 or len(numbers) % 2):
        raise ValueError(f"it has {len(numbers) + 1} numbers; a box has 5, an outline 7, 9, 11 or more")
    if not all(map(math.isfinite, numbers)):
        return (math.nan,) * 4
    if len(numbers) > 4:
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    x, y, width, height = numbers
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
