"""Labelled pictures, decoded once, shrunk to the training size and kept in memory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from minehat.labels import (
    AS_NAMED,
    ClassMap,
    Fault,
    Labelled,
    Scanned,
    broken_picture,
    many_faults,
    no_picture,
    scan_split,
)
from minehat.letterbox import place
from minehat.progress import bar

from .asked_sets import AskedSet, asked_set

MOST_THREADS = 8
Made = TypeVar("Made")
OnFault = Callable[[Fault], None]


@dataclass(frozen=True)
class Sample:
    """A picture with boxes in its own pixels."""

    picture: npt.NDArray[np.uint8]  # [h, w, 3] BGR
    boxes: npt.NDArray[np.float32]  # [n, 4] x0 y0 x1 y1
    labels: npt.NDArray[np.int64]  # [n]
    name: str = ""  # path of the picture that it was read from


@dataclass(frozen=True)
class Source:
    """One set of labelled pictures and how often an epoch draws each of them: 0.3 for three in ten, 2 for twice."""

    name: str
    samples: Sequence[Sample]
    share: float


@dataclass(frozen=True)
class Material:
    """All that a run needs of pictures, known to be readable."""

    sources: list[Source]
    val: list[Labelled]  # decoded when they are scored
    val_name: str = ""  # of its set and split, for cards


def read_material(data: Sequence[str], val: str | None, classes: Sequence[str], size: int,
                  names: ClassMap = AS_NAMED) -> Material:
    """Read the train split of every set of `data`, `FOLDER[:PREFIX][@SHARE]`, and the val split of the folder `val`.

    Longest sides come to at most `size` pixels. Every picture is decoded, those of val too. Raises ManyFaults once,
    with all that is wrong with any of them; MineHatError for a text that tells no set, for `names` of other sets, and
    for one file of labels that would be trained on and scored alike.
    """
    faults: list[Fault] = []
    sets = [asked_set(text) for text in data]
    if val and any(_is_all_of(asked.place, Path(val)) for asked in sets):
        raise MineHatError(f"--val {val} is trained on as well, all of it. Give a file of other pictures, or the "
                           "folder that holds a json for each split.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # here and not by each thread for itself: they would undo each other's
        trains = [_scanned(asked, "train", classes, names, faults.append) for asked in sets]
        vals = [_scanned(AskedSet(Path(val)), "val", classes, names, faults.append)] if val else []
        names.check_sets([scanned.folder for scanned in trains + vals])
        sources = [_source(asked, scanned, size, faults.append) for asked, scanned in zip(sets, trains, strict=True)]
        pictures = [labelled for scanned in vals for labelled in scanned.labelled]
        for _ in _each(Labelled.read, pictures, f"reading {val}", faults.append):
            pass
    if faults:
        raise many_faults(faults, classes)
    return Material(sources, pictures, f"{vals[0].folder} val" if vals else "")


def _is_all_of(place: Path, val: Path) -> bool:
    """Is it one COCO file, which has no splits, that is named for both?"""
    return val.suffix.lower() == ".json" and val.is_file() and place.is_file() and place.samefile(val)


def _source(asked: AskedSet, scanned: Scanned, size: int, on_fault: OnFault) -> Source:
    samples = list(_each(partial(shrunk, size=size), scanned.labelled, f"reading {asked.told}", on_fault))
    return Source(scanned.folder + (f":{asked.prefix}" if asked.prefix else ""), samples, asked.share)


def _scanned(asked: AskedSet, split: str, classes: Sequence[str], names: ClassMap, on_fault: OnFault) -> Scanned:
    """What a split holds; what is wrong with it is told, an empty one too."""
    scanned = scan_split(asked.place, split, classes, names, asked.prefix)
    for fault in scanned.faults:
        on_fault(fault)
    if not (scanned.labelled or scanned.faults):
        on_fault(no_picture(asked.place, split, asked.prefix))
    return scanned


def _each(make: Callable[[Labelled], Made], pictures: Sequence[Labelled], label: str,
          on_fault: OnFault) -> Iterator[Made]:
    """What `make` gives for each picture, in their order, several made at a time; those that are broken are told."""
    def tried(one: Labelled) -> Made | Fault:
        try:
            return make(one)
        except MineHatError as exc:
            return broken_picture(one.path, exc)

    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as workers:
        try:
            for made in bar(workers.map(tried, pictures), len(pictures), label):
                if isinstance(made, Fault):
                    on_fault(made)
                else:
                    yield made
        finally:
            workers.shutdown(wait=False, cancel_futures=True)


def shrunk(labelled: Labelled, size: int) -> Sample:
    """Ignored objects are left out of training: their pictures stay, so a few true heads go unlabelled."""
    wanted = ~labelled.ignored
    return fitted(Sample(labelled.read(), labelled.boxes[wanted], labelled.labels[wanted], str(labelled.path)), size)


def fitted(sample: Sample, size: int) -> Sample:
    """The sample with its longer side at `size` pixels."""
    placement = place(*sample.picture.shape[:2], size, size)
    boxes = sample.boxes * np.array([placement.scale_x, placement.scale_y] * 2, np.float32)
    small = cv2.resize(sample.picture, (placement.new_width, placement.new_height),
                       interpolation=cv2.INTER_AREA if placement.scale_x < 1 else cv2.INTER_LINEAR)
    return replace(sample, picture=np.asarray(small, np.uint8), boxes=boxes.astype(np.float32))
