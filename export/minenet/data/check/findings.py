"""All that is found out about labelled sets: faults, leaks between splits, and notes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from minehat.files import sha256_of
from minehat.labels import ClassMap, Fault, Labelled, broken_picture, no_picture
from minehat.letterbox import place as placed
from minehat.likeness import grey_of
from minehat.progress import bar

from .looks import Look, look_at
from .mirrored import mirror_bands
from .odd_labels import odd_labels
from .splits import Split, read_splits, strays
from .twins import Twin, find_twins

MOST_THREADS = 8


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture that was decoded. Bands that mirror_bands.tsv names are cut off."""

    split: Split
    labelled: Labelled
    size: tuple[int, int]  # width and height, pixels
    brightness: float  # mean grey, 0..255
    digest: str  # SHA-256 of the file
    look: Look
    bands: tuple[str, int] | None  # sides and pixels, where it looks padded with its mirror image

    def counts(self, classes: Sequence[str]) -> tuple[int, ...]:
        """Its boxes by class."""
        return tuple(np.bincount(self.labelled.labels, minlength=len(classes)).tolist())

    def in_square(self, side: int) -> npt.NDArray[np.float64]:
        """Widths and heights [n, 2] of its boxes, in pixels of the network's square."""
        scale = placed(self.size[1], self.size[0], side, side)
        boxes = self.labelled.boxes.astype(np.float64)
        return (boxes[:, 2:] - boxes[:, :2]) * (scale.scale_x, scale.scale_y)


@dataclass(frozen=True)
class Note:
    """Something that is worth a look, and may be right."""

    kind: str
    path: Path
    told: str
    seen: Seen | None = None  # the picture, where a look at it helps
    rows: tuple[int, ...] = ()  # boxes that are meant
    beside: Seen | None = None  # another picture to hold it against


@dataclass(frozen=True)
class Leak:
    """Two pictures of different splits that are one. A network that learnt the one is not tested by the other."""

    twin: Twin
    first: Seen
    second: Seen
    told: str


@dataclass(frozen=True)
class Findings:
    """What is in the sets, and what is wrong with them."""

    classes: tuple[str, ...]
    side: int  # of the network's square, pixels
    splits: list[Split]
    seen: list[Seen]
    faults: list[Fault]
    leaks: list[Leak]
    notes: list[Note]

    @property
    def clean(self) -> bool:
        return not self.faults and not self.leaks


def findings_of(places: Sequence[Path], names: Sequence[str], classes: Sequence[str], mapped: ClassMap,
                side: int) -> Findings:
    """Look at the splits called `names` of every place, or at all splits where no names are given.

    Raises MineHatError where a split that is named is nowhere.
    """
    splits = read_splits(places, names, classes, mapped)
    faults = [fault for split in splits for fault in split.scanned.faults or _without_pictures(split)]
    seen: list[Seen] = []
    for one in _each_seen(splits):
        if isinstance(one, Fault):
            faults.append(one)
        else:
            seen.append(one)
    twins = find_twins([one.look for one in seen], [one.digest for one in seen], [one.split.group for one in seen])
    leaks = [_leak(twin, seen, classes) for twin in twins if twin.across and twin.relation != "same view"]
    notes = [*_odd_notes(seen, side), *_mirror_notes(seen), *_twin_notes(twins, seen, classes),
             *_empty_notes(splits, seen), *(() if names else _stray_notes(splits))]
    return Findings(tuple(classes), side, splits, seen, faults, leaks, notes)


def _without_pictures(split: Split) -> list[Fault]:
    return [] if split.scanned.labelled else [no_picture(split.place, split.name)]


def _each_seen(splits: Sequence[Split]) -> Iterator[Seen | Fault]:
    """Every picture, decoded, in the order of the splits; a fault for each that is broken."""
    pictures = [(split, labelled) for split in splits for labelled in split.scanned.labelled]
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as workers:
        try:
            yield from bar(workers.map(_seen, *zip(*pictures, strict=True)) if pictures else [], len(pictures),
                           "looking at pictures")
        finally:
            workers.shutdown(wait=False, cancel_futures=True)


def _seen(split: Split, labelled: Labelled) -> Seen | Fault:
    try:
        grey = grey_of(labelled.read())
        digest = sha256_of(labelled.path)
    except (MineHatError, OSError) as exc:
        return broken_picture(labelled.path, MineHatError(str(exc)))
    bands = mirror_bands(grey) if labelled.window is None else None
    return Seen(split, labelled, (grey.shape[1], grey.shape[0]), float(grey.mean()), digest, look_at(grey), bands)


def _odd_notes(seen: Sequence[Seen], side: int) -> Iterator[Note]:
    for one in seen:
        for odd in odd_labels(one.labelled, one.in_square(side)):
            yield Note(odd.kind, one.labelled.path, odd.told, one, odd.rows)


def _mirror_notes(seen: Sequence[Seen]) -> Iterator[Note]:
    for one in seen:
        if one.bands is not None:
            sides, pixels = one.bands
            path = one.labelled.path
            yield Note("mirrored bands", path, f"looks padded with its own mirror image; this line of mirror_bands.tsv "
                       f"cuts it: {path.stem}<tab>{sides}<tab>{pixels}", one)


def _twin_notes(twins: Sequence[Twin], seen: Sequence[Seen], classes: Sequence[str]) -> Iterator[Note]:
    for twin in twins:
        first, second = seen[twin.first], seen[twin.second]
        if not twin.across:
            yield Note("picture twice", second.labelled.path, f"{_twin_told(twin, first, second, classes)}, also in "
                       f"{first.split.title}", second, beside=first)
        elif twin.relation == "same view":
            yield Note("same view", second.labelled.path, f"{second.split.title} shows much the same view as "
                       f"{first.labelled.path} in {first.split.title} (alike by {twin.likeness:.2f})", second,
                       beside=first)


def _empty_notes(splits: Sequence[Split], seen: Sequence[Seen]) -> Iterator[Note]:
    pictures = {(one.split, one.labelled.path): one for one in seen}
    for split in splits:
        for fault in split.scanned.notes:
            yield Note(fault.kind, fault.path, fault.told, pictures.get((split, fault.path)))


def _stray_notes(splits: Sequence[Split]) -> Iterator[Note]:
    for path, is_picture in strays(splits):
        yield Note("picture in no split" if is_picture else "labels in no split", path, "is named by no split")


def _leak(twin: Twin, seen: Sequence[Seen], classes: Sequence[str]) -> Leak:
    first, second = seen[twin.first], seen[twin.second]
    return Leak(twin, first, second, f"{second.split.title}: {_twin_told(twin, first, second, classes)} in "
                f"{first.split.title}")


def _twin_told(twin: Twin, first: Seen, second: Seen, classes: Sequence[str]) -> str:
    how = {"same file": "the same file as", "same picture": "the same picture as", "mirrored": "the mirror image of"}
    otherwise = labelled_otherwise(first, second, classes)
    return f"{how[twin.relation]} {first.labelled.path}{f' ({otherwise})' if otherwise else ''}"


def labelled_otherwise(first: Seen, second: Seen, classes: Sequence[str]) -> str:
    """How many boxes of which class each of two like pictures has, where that differs; "" where it does not."""
    ours = [(_counted(one.counts(classes), classes), one.labelled.path.name) for one in (first, second)]
    same = ours[0][0] == ours[1][0]
    return "" if same else "labelled otherwise: " + ", ".join(f"{counted} in {name}" for counted, name in ours)


def _counted(counts: Sequence[int], classes: Sequence[str]) -> str:
    return ", ".join(f"{count} {name}" for count, name in zip(counts, classes, strict=True) if count) or "nothing"
