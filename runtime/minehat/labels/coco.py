"""COCO: annotations/instances_<split>.json (also with a year behind, as instances_train2017.json),
annotations/<split>.json, <split>/_annotations.coco.json, or a .json file named by itself, which is its own split.

Pictures are looked for beside the file, then in images/<split>, <split>/images, <split>, images and the set's folder,
first as `file_name` says and then by the last part of it. `iscrowd` and `ignore` objects count neither way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from .coco_book import Book, Image, book_of
from .faults import Fault, OnFault
from .marked import Entry, Marked
from .splits import called

JSON = ".json"


def has_split(place: Path, split: str) -> bool:
    """Whether the place is a .json file, or a folder that has one for the split."""
    return (place.suffix.lower() == JSON and place.is_file()) or next(_files(place, split), None) is not None


def looks_like_it(place: Path) -> bool:
    """Whether the folder has COCO files at all."""
    return bool(_splits(place))


def root_of(place: Path) -> Path:
    """The set's folder: that of a .json file, or the one above where it lies in annotations/."""
    if place.suffix.lower() != JSON:
        return place
    folder = place.absolute().parent
    return folder.parent if folder.name == "annotations" else folder


def entries(place: Path, split: str, on_fault: OnFault) -> list[Entry]:
    """The pictures that the split's file names."""
    file = place if place.suffix.lower() == JSON else next(_files(place, split), None)
    if file is None:
        on_fault(Fault("unreadable list", place, f"has no annotations/instances_{split}.json; what is there: "
                       f"{', '.join(_splits(place))}. Name one of these files instead of the folder"))
        return []
    try:
        book = book_of(json.loads(file.read_text(encoding="utf-8-sig")),
                       lambda told: on_fault(Fault("broken labels", file, told)))
    except (OSError, ValueError, RecursionError) as exc:
        on_fault(Fault("unreadable list", file, f"cannot be read as COCO annotations ({exc})"))
        return []
    folders = _folders(file, root_of(place), split)
    return [Entry(image.name, file, image.where, partial(_read, file, folders, image, book)) for image in book.images]


def _files(place: Path, split: str) -> Iterator[Path]:
    for name in called(split):
        yield from filter(Path.is_file, (place / "annotations" / f"instances_{name}.json",
                                         place / "annotations" / f"{name}.json",
                                         place / name / "_annotations.coco.json"))
        yield from sorted((place / "annotations").glob(f"instances_{_literal(name)}20[0-9][0-9].json"), reverse=True)


def _literal(name: str) -> str:
    """The name as a pattern that finds it alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)


def _splits(place: Path) -> list[str]:
    """Paths in the folder of all files that may be COCO's."""
    found = [*place.glob("annotations/*.json"), *place.glob("*/_annotations.coco.json")]
    return sorted(str(path.relative_to(place)) for path in found)


def _folders(file: Path, root: Path, split: str) -> tuple[Path, ...]:
    """Where pictures may lie, the likeliest first."""
    names = dict.fromkeys([file.stem.removeprefix("instances_"), *called(split)])
    nested = [root / part for name in names for part in (f"images/{name}", f"{name}/images", name)]
    return (file.parent, *nested, root / "images", root)


def _read(file: Path, folders: Sequence[Path], image: Image, book: Book, on_fault: OnFault) -> Marked | None:
    within = f"{PurePosixPath(image.name).name}: "
    width, height = image.size
    sized = isinstance(width, int) and isinstance(height, int) and min(width, height) > 0
    if not sized and image.size != (None, None):
        on_fault(Fault("broken labels", file, f"{within}{image.where} says its size is {width!r} x {height!r}"))
        return None
    things = book.things_in(image, lambda told: on_fault(Fault("broken labels", file, within + told)))
    return Marked(_picture_of(folders, image.name), file, tuple(things), (width, height) if sized else None,
                  within=within)


def _picture_of(folders: Sequence[Path], name: str) -> Path:
    """The picture; where it would lie likeliest, if it is nowhere."""
    tried = [folder / part for part in dict.fromkeys((name, PurePosixPath(name).name)) for folder in folders]
    return next(filter(os.path.isfile, tried), tried[0])
