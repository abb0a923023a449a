"""The splits of labelled sets, and the files that no split names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minehat.errors import MineHatError
from minehat.labels import ClassMap, Scanned, scan_split
from minehat.labels.forms import FORMS, form_of
from minehat.labels.splits import called
from minehat.pictures import SUFFIXES

USUAL = ("train", "val", "test")
PICTURES, LABELS = ("JPEGImages", "images"), {".xml": "Annotations", ".txt": "labels"}
NAME_FILES = ("classes.txt", "train.txt", "val.txt", "test.txt")  # in YOLO's folders, no labels


@dataclass(frozen=True, eq=False)
class Split:
    """One split of one set."""

    place: Path  # what was typed: a folder or a file
    name: str
    scanned: Scanned

    @property
    def title(self) -> str:
        """What a person calls it: `helmets val`."""
        return f"{self.scanned.folder} {self.name}"

    @property
    def group(self) -> str:
        """What it is for; pictures must not be in two groups. valid and validation are val."""
        return USUAL[1] if self.name in called(USUAL[1]) else self.name


def read_splits(places: Sequence[Path], names: Sequence[str], classes: Sequence[str], mapped: ClassMap) -> list[Split]:
    """The splits called `names` that the places have, or all; training ones first, so that the others are its copies.

    A place that has no split is read as if it had a train split, and the fault tells what it lacks. Raises
    MineHatError where one of `names` is nowhere.
    """
    found = [(place, name) for place in places for name in (_wanted(place, names) if names else splits_of(place))]
    absent = [name for name in names if name not in {name for _, name in found}]
    if absent:
        raise MineHatError(f"--split {absent[0]}: none of {', '.join(map(str, places))} has it. They have: "
                           f"{', '.join(f'{name} ({place})' for place in places for name in splits_of(place))}.")
    found.sort(key=lambda one: USUAL.index(one[1]) if one[1] in USUAL else len(USUAL))
    return [Split(place, name, scan_split(place, name, classes, mapped)) for place, name in found]


def splits_of(place: Path) -> list[str]:
    """The splits that a set has; ["train"] where none is found. Lists of single classes and sums of others are not."""
    if place.suffix.lower() == ".json":
        name = place.parent.name if place.stem == "_annotations.coco" else place.stem.removeprefix("instances_")
        return [name.rstrip("0123456789") or name]
    listed = sorted(path.stem for path in (place / "ImageSets" / "Main").glob("*.txt"))
    others = [name for name in listed if name not in called(USUAL[1]) and not name.endswith(("_train", "_val",
                                                                                            "_trainval", "_test"))]
    names = [name for name in dict.fromkeys([*USUAL, *others]) if _has(place, name)]
    if {"train", "val"} <= set(names):
        names = [name for name in names if name != "trainval"]
    return names or ["train"]


def strays(splits: Sequence[Split]) -> Iterator[tuple[Path, bool]]:
    """Files that lie among a set's pictures (True) or labels (False) and that no split names."""
    for place in dict.fromkeys(split.place for split in splits):
        ours = [split for split in splits if split.place == place]
        form = form_of(place, ours[0].name)
        if form is not None:
            yield from _strays(form.root_of(place), ours, list(_entries(ours)))


def _strays(root: Path, splits: Sequence[Split], entries: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    pictures = [labelled.path for split in splits for labelled in split.scanned.labelled]
    known = {_key(path, root) for path in pictures}
    at_fault = set(entries) - {name for path in pictures for name in (path.name, path.stem)}
    folders = {path.parent for path in pictures}
    for path in sorted(root.rglob("*")):
        parts, suffix = path.relative_to(root).parts, path.suffix.lower()
        is_picture = suffix in SUFFIXES and (path.parent in folders or any(part in PICTURES for part in parts[:-1]))
        is_label = LABELS.get(suffix) in parts[:-1] and path.name not in NAME_FILES
        if (is_picture or is_label) and not any(part.startswith(".") for part in parts) and path.is_file() \
                and _key(path, root) not in known and not {path.name, path.stem} & at_fault:
            yield path, is_picture


def _entries(splits: Sequence[Split]) -> Iterator[str]:
    """Names of all pictures that the splits list, sound or not."""
    for split in splits:
        form = form_of(split.place, split.name)
        for entry in form.entries(split.place, split.name, lambda fault: None) if form else []:
            yield Path(entry.name).name


def _key(path: Path, root: Path) -> tuple[str, ...]:
    """The same for a picture and its labels: the path without suffix and without the folder of either kind."""
    inside = path.relative_to(root) if path.is_relative_to(root) else path
    return tuple(part for part in inside.with_suffix("").parts if part not in (*PICTURES, *LABELS.values()))


def _wanted(place: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if _has(place, name)]


def _has(place: Path, name: str) -> bool:
    return any(form.has_split(place, name) for form in FORMS)
