"""Pascal VOC: JPEGImages/<name>.jpg, Annotations/<name>.xml, and the names of a split in ImageSets/Main/<split>.txt.

Pixels are counted from 1 and the last one inside is named: 1..w becomes 0..w. `difficult` and `ignore` objects count
neither way. `size` may be absent from the annotation; where it is there it must be the picture's.
"""

from __future__ import annotations

import os
import shlex
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

from ..pictures import SUFFIXES
from .faults import Fault, OnFault
from .marked import Entry, Marked, Thing
from .texts import lines_of

Box = tuple[float, float, float, float]
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def has_split(place: Path, split: str) -> bool:
    """Whether the folder lists the split."""
    return _listing(place, split).is_file()


def looks_like_it(place: Path) -> bool:
    """Whether the folder has at least a part of the form."""
    return any((place / part).is_dir() for part in ("ImageSets", "Annotations", "JPEGImages"))


def root_of(place: Path) -> Path:
    """The set's folder."""
    return place


def entries(place: Path, split: str, on_fault: OnFault) -> list[Entry]:
    """The pictures that the split's list names."""
    listing = _listing(place, split)
    if not listing.is_file():
        on_fault(Fault("unreadable list", listing, _without_list(place, listing)))
        return []
    return [Entry(name, listing, f"line {number}", partial(_read, place, name))
            for number, name in lines_of(listing, "unreadable list", on_fault) or ()]


def _listing(place: Path, split: str) -> Path:
    return place / "ImageSets" / "Main" / f"{split}.txt"


def _without_list(place: Path, listing: Path) -> str:
    others = sorted(path.stem for path in listing.parent.glob("*.txt"))
    if others:
        return f"is missing; the splits that are there: {', '.join(others)}"
    folder, xmls = (shlex.quote(str(path)) for path in (listing.parent, place / "Annotations"))
    return ("is missing: a Pascal VOC folder lists the pictures of a split there, one name a line, without suffix. All "
            f"that have labels: `mkdir -p {folder} && ls {xmls} | sed -n 's/\\.xml$//p' > {shlex.quote(str(listing))}`")


def _read(place: Path, name: str, on_fault: OnFault) -> Marked | None:
    annotation = place / "Annotations" / f"{name}.xml"
    if not os.path.isfile(annotation):
        on_fault(Fault("missing labels", annotation, "is not there, and the list names its picture"))
        return None
    try:
        root = ElementTree.parse(annotation).getroot()
        if root.tag != "annotation":
            raise ValueError(f"it holds <{root.tag}> where <annotation> is wanted")
        size = _size(root)
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as exc:
        on_fault(Fault("broken labels", annotation, f"cannot be read as a Pascal VOC annotation ({exc})"))
        return None
    things = tuple(_things(root, annotation, on_fault))
    return Marked(_picture_of(place, name), annotation, things, size)


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    if root.find("size") is None:
        return None
    told = [root.findtext(f"size/{side}", "").strip() for side in ("width", "height")]
    try:
        width, height = (int(float(side)) for side in told)
    except (ValueError, OverflowError):
        width = height = 0
    if width < 1 or height < 1:
        raise ValueError(f"its size is {'x'.join(told)}")
    return width, height


def _things(root: ElementTree.Element, annotation: Path, on_fault: OnFault) -> list[Thing]:
    things = []
    for number, node in enumerate(root.iter("object"), 1):
        name = node.findtext("name", "").strip()
        written = [node.findtext(f"bndbox/{corner}", "").strip() for corner in CORNERS]
        where = f"object {number} ({' '.join([name, *written])})"
        try:
            x0, y0, x1, y1 = map(float, written)
        except ValueError:
            on_fault(Fault("broken labels", annotation, f"{where}: bndbox wants numbers in {', '.join(CORNERS)}"))
            continue
        skip = any(node.findtext(key, "0").strip() == "1" for key in ("difficult", "ignore"))
        things.append(Thing(name, (x0 - 1, y0 - 1, x1, y1), skip, where))
    return things


def _picture_of(place: Path, name: str) -> Path:
    """The picture of that name, whatever its suffix; <name>.jpg where there is none."""
    stem = place / "JPEGImages" / name
    tried = (f"{stem}{written}" for suffix in sorted(SUFFIXES) for written in (suffix, suffix.upper()))
    return Path(next(filter(os.path.isfile, tried), f"{stem}.jpg"))
