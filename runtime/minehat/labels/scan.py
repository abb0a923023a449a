"""A split of a labelled set, whatever its form: every picture that is sound, and every fault."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import MineHatError
from ..pictures import picture_size
from ..progress import bar
from .bands import NAME, Bands, Window, cut, read_bands, window_of
from .boxes import clipped, trouble_of
from .class_map import AS_NAMED, ClassMap
from .faults import Fault, OnFault, broken_picture, many_faults
from .forms import Form, form_of
from .labelled import Labelled
from .marked import Entry, Marked, Thing

Size = tuple[int, int]


@dataclass(frozen=True)
class Scanned:
    """What a split holds.

    A picture that is missing or broken, or whose labels are, is in `faults` alone. Where single objects are at
    fault, the picture is in `labelled` too, with its sound ones.
    """

    form: str  # Pascal VOC, COCO or YOLO; "" where it is none of them
    folder: str  # name of the set's folder
    labelled: list[Labelled] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)  # "no objects": pictures whose labels name nothing at all


@dataclass(frozen=True)
class _Set:
    """What all pictures of a split have in common."""

    folder: str  # name of the set's folder
    classes: tuple[str, ...]
    names: ClassMap
    bands_file: Path
    bands: Bands


def read_split(place: str | Path, split: str, classes: Sequence[str], names: ClassMap = AS_NAMED) -> list[Labelled]:
    """The pictures of a split. Raises ManyFaults listing everything that is wrong with it."""
    scanned = scan_split(place, split, classes, names)
    if scanned.faults:
        raise many_faults(scanned.faults, classes)
    return scanned.labelled


def scan_split(place: str | Path, split: str, classes: Sequence[str], names: ClassMap = AS_NAMED,
               prefix: str = "") -> Scanned:
    """All that a split holds, good and bad; of the pictures, those whose names begin with `prefix`.

    Pictures are opened for their size, not decoded. Raises MineHatError only for a `names` that is of no use here
    and for a missing library, never for what a file holds.
    """
    names.check(classes)
    place, faults = Path(place), list[Fault]()
    form, listed = _listed(place, split, faults.append)
    root = form.root_of(place) if form else place
    scanned = Scanned(form.name if form else "", root.resolve().name, faults=faults)
    wanted = [entry for entry in listed if Path(entry.name).name.startswith(prefix)]
    bands = read_bands(root / NAME, faults.append)
    ours = _Set(scanned.folder, tuple(classes), names, root / NAME, bands)
    for entry in bar(_once(wanted, faults.append), len(wanted), f"labels of {place.name} {split}"):
        _scan_one(entry, ours, scanned)
    return scanned


def _listed(place: Path, split: str, on_fault: OnFault) -> tuple[Form | None, list[Entry]]:
    """The form of a set, and the pictures that its lists name."""
    try:
        form = form_of(place, split)
        if form:
            return form, form.entries(place, split, on_fault)
        on_fault(Fault("unreadable list", place, _no_form(split) if place.exists() else "there is no such folder or "
                       "file"))
    except OSError as exc:  # a folder that is not ours to look into, a name that is too long
        on_fault(Fault("unreadable list", place, f"cannot be looked into ({exc.strerror or exc})"))
    return None, []


def _no_form(split: str) -> str:
    return (f"is not labelled: for {split!r} a Pascal VOC folder has ImageSets/Main/{split}.txt, a COCO one "
            f"annotations/instances_{split}.json, a YOLO one data.yaml or images/{split} and labels/{split}")


def _once(entries: Iterable[Entry], on_fault: OnFault) -> Iterator[Entry]:
    """The entries, without those that were there before."""
    seen: dict[str, str] = {}
    for entry in entries:
        if entry.name in seen:
            on_fault(Fault("listed twice", entry.listing, f"{entry.where} names {entry.name}, as {seen[entry.name]} "
                           "does"))
            continue
        seen[entry.name] = entry.where
        yield entry


def _scan_one(entry: Entry, ours: _Set, scanned: Scanned) -> None:
    marked = entry.read(scanned.faults.append)
    size = _size_of(marked, entry, scanned.faults.append) if marked else None
    if marked is None or size is None:
        return
    if not marked.things:
        scanned.notes.append(Fault("no objects", marked.picture, f"{marked.labels.name} names nothing in it"))
    try:
        window = window_of(marked.picture.stem, ours.bands, size)
    except ValueError as exc:
        scanned.faults.append(Fault("broken bands", ours.bands_file, str(exc)))
        return
    scanned.labelled.append(_labelled(marked, size, window, ours, scanned.faults.append))


def _size_of(marked: Marked, entry: Entry, on_fault: OnFault) -> Size | None:
    """Width and height of the picture; None, and a fault told, where it is of no use."""
    if not os.path.isfile(marked.picture):
        on_fault(Fault("missing picture", marked.picture,
                       f"is not there; {entry.listing.name} names it, {entry.where}"))
        return None
    try:
        size = picture_size(marked.picture)
    except MineHatError as exc:
        on_fault(broken_picture(marked.picture, exc))
        return None
    if marked.size is not None and marked.size != size:
        told, found = (f"{width}x{height}" for width, height in (marked.size, size))
        on_fault(Fault("other size", marked.labels, f"{marked.within}tells of a picture of {told}, and "
                       f"{marked.picture} is {found}, seen upright: the boxes would lie elsewhere"))
        return None
    return size


def _labelled(marked: Marked, size: Size, window: Window | None, ours: _Set, on_fault: OnFault) -> Labelled:
    found = list(_sound(marked, size, ours, on_fault))
    boxes = np.array([box for box, _, _ in found], np.float32).reshape(-1, 4)
    labels = np.array([label for _, label, _ in found], np.int64)
    ignored = np.array([skip for _, _, skip in found], bool)
    if window is not None:
        boxes, seen = cut(boxes, window)
        boxes, labels, ignored = boxes[seen], labels[seen], ignored[seen]
    return Labelled(marked.picture, boxes, labels, ignored, window, size)


def _sound(marked: Marked, size: Size, ours: _Set,
           on_fault: OnFault) -> Iterator[tuple[tuple[float, float, float, float], int, bool]]:
    """Box in pixels, label and whether it is ignored, of every object that is wanted and in order."""
    unknown: Counter[str] = Counter()
    for thing in marked.things:
        name = ours.names(ours.folder, thing.name)
        if name is None:
            continue
        if name not in ours.classes:
            unknown[name] += 1
            continue
        box = _in_pixels(thing, size) if marked.in_shares else thing.box
        trouble = trouble_of(box, size)
        if trouble:
            on_fault(Fault(trouble[0], marked.labels, f"{marked.within}{thing.where}: {trouble[1]}"))
        else:
            yield clipped(box, size), ours.classes.index(name), thing.ignored
    for name, count in unknown.items():
        objects = "1 object" if count == 1 else f"{count} objects"
        on_fault(Fault("unknown class", marked.labels, f"{marked.within}class {name!r} ({objects}) is none of "
                       f"{', '.join(ours.classes)}", name))


def _in_pixels(thing: Thing, size: Size) -> tuple[float, float, float, float]:
    (x0, y0, x1, y1), (width, height) = thing.box, size
    return x0 * width, y0 * height, x1 * width, y1 * height
