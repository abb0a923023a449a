"""Labelled pictures, decoded once, shrunk to the training size and kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from minehat.labels import Labelled, read_split
from minehat.letterbox import place
from minehat.progress import bar


@dataclass(frozen=True)
class Sample:
    """A picture with boxes in its own pixels."""

    picture: npt.NDArray[np.uint8]  # [h, w, 3] BGR
    boxes: npt.NDArray[np.float32]  # [n, 4] x0 y0 x1 y1
    labels: npt.NDArray[np.int64]  # [n]


@dataclass(frozen=True)
class Source:
    """One set of labelled pictures and the share of it that an epoch draws."""

    name: str
    samples: Sequence[Sample]
    share: float


def read_source(text: str, classes: Sequence[str], size: int, split: str = "train") -> Source:
    """Read `FOLDER[:PREFIX][@SHARE]`, a Pascal VOC folder; longest sides come to at most `size` pixels.

    PREFIX chooses the pictures whose names begin with it.
    """
    place_text, share = _folder_and_share(text)
    folder, _, prefix = place_text.partition(":")
    labelled = [one for one in read_split(folder, split, classes) if one.path.name.startswith(prefix)]
    if not labelled:
        raise MineHatError(f"--data {place_text}: its {split} split names no picture{f' that begins with {prefix}' if prefix else ''}.")
    samples = [_shrunk(one, size) for one in bar(labelled, label=f"reading {place_text}")]
    return Source(Path(folder).resolve().name + (f":{prefix}" if prefix else ""), samples, share)


def _folder_and_share(text: str) -> tuple[str, float]:
    folder, found, share = text.rpartition("@")
    if not found:
        return text, 1.0
    try:
        value = float(share)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise MineHatError(f"--data {text}: the share after @ must lie in 0..1, as in {folder}@0.3.")
    return folder, value


def _shrunk(labelled: Labelled, size: int) -> Sample:
    """Ignored objects are left out of training: their pictures stay, so a few true heads go unlabelled."""
    picture = labelled.read()
    placement = place(*picture.shape[:2], size, size)
    wanted = ~labelled.ignored
    boxes = labelled.boxes[wanted] * np.array([placement.scale_x, placement.scale_y] * 2, np.float32)
    small = cv2.resize(picture, (placement.new_width, placement.new_height), interpolation=cv2.INTER_AREA
                       if placement.scale_x < 1 else cv2.INTER_LINEAR)
    return Sample(np.asarray(small, np.uint8), boxes.astype(np.float32), labelled.labels[wanted])
