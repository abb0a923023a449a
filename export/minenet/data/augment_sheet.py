"""A contact sheet of what training does to pictures: a row for each step of it, then whole training views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from minehat.draw import colour_of
from minehat.letterbox import letterbox

from .augment import FULL, augmented, infra_red, mirrored, mosaic, random_view, relit
from .mine import EFFECTS, Picture
from .sources import Sample

CELL = 208  # pixels across
NAMES = 92  # pixels, the column at the left
GAP = 2
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLUMNS = len(STRENGTHS)
CLOSE = ("blur", "noise", "jpeg")  # are shown pixel by pixel
INK, PAPER = (40, 40, 40), 250


@dataclass(frozen=True)
class Row:
    """Pictures with boxes, side by side, and what is said of each."""

    name: str
    cells: Sequence[Sample]
    told: Sequence[str] = ("",) * COLUMNS
    height: int = CELL * 3 // 4  # pixels


def step_rows(samples: Sequence[Sample], name: str, size: int, seed: int) -> list[Row]:
    """The pictures as they are, then each step of `augmented` by itself; effects of a mine by growing strength."""
    rng = np.random.default_rng(seed)
    first = samples[0]
    pairs = [one for sample in samples for one in (sample, mirrored(sample))]
    rows = [Row(name, _some(samples, 0)),
            Row("mirror", pairs[:COLUMNS], ["", "mirrored", "", "mirrored", ""]),
            Row("view", [random_view(first, size, rng, FULL)[0] for _ in STRENGTHS], height=CELL),
            Row("mosaic", [mosaic(_some(samples, i)[:4], size, rng, FULL) for i in range(COLUMNS)], height=CELL),
            Row("light", [replace(first, picture=relit(first.picture, rng, FULL)) for _ in STRENGTHS]),
            Row("infra-red", [replace(one, picture=infra_red(one.picture)) for one in _some(samples, 0)])]
    for number, (effect_name, effect) in enumerate(EFFECTS.items()):
        sample = samples[number % len(samples)]
        if effect_name in CLOSE:
            sample = _closer(sample)
        rows.append(Row(effect_name, [replace(sample, picture=effect(sample.picture, rng, s)) for s in STRENGTHS],
                        [f"{s:g}" for s in STRENGTHS]))
    return rows


def view_rows(samples: Sequence[Sample], count: int, size: int, seed: int) -> list[Row]:
    """`count` rows of training views as the network gets them."""
    rows = []
    for number in range(count):
        rngs = [np.random.default_rng((seed, number, column)) for column in range(COLUMNS)]
        rows.append(Row("training", [_view(samples, size, rng) for rng in rngs], height=CELL))
    return rows


def sheet_of(rows: Sequence[Row], classes: Sequence[str]) -> Picture:
    """The rows below each other, uint8 [h, w, 3] BGR."""
    width = NAMES + COLUMNS * (CELL + GAP)
    sheet = np.full((sum(row.height + GAP for row in rows), width, 3), PAPER, np.uint8)
    top = 0
    for row in rows:
        cv2.putText(sheet, row.name, (8, top + row.height // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
        for column, (sample, told) in enumerate(zip(row.cells, row.told, strict=False)):
            left = NAMES + column * (CELL + GAP)
            sheet[top:top + row.height, left:left + CELL] = _cell(sample, told, row.height, classes)
        top += row.height + GAP
    return sheet


def _view(samples: Sequence[Sample], size: int, rng: np.random.Generator) -> Sample:
    sample, *others = (samples[i] for i in rng.integers(len(samples), size=4))
    return augmented(sample, others if rng.random() < FULL.mosaic else [], size, rng, FULL)


def _some(samples: Sequence[Sample], first: int) -> list[Sample]:
    """A row's worth of samples, from one of them on and around."""
    return [samples[(first + i) % len(samples)] for i in range(COLUMNS)]


def _closer(sample: Sample) -> Sample:
    """A window of a cell's size around the first head, and the heads in it."""
    middle = sample.boxes[:1].reshape(-1, 2, 2).mean(axis=(0, 1)) if len(sample.boxes) else np.zeros(2)
    size = np.minimum([CELL, CELL * 3 // 4], sample.picture.shape[1::-1])
    left, top = np.clip(middle - size / 2, 0, sample.picture.shape[1::-1] - size).astype(int)
    boxes = np.clip(sample.boxes - np.array([left, top] * 2, np.float32), 0, np.tile(size, 2)).astype(np.float32)
    seen = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) > 4
    return replace(sample, picture=sample.picture[top:top + size[1], left:left + size[0]], boxes=boxes[seen],
                   labels=sample.labels[seen])


def _cell(sample: Sample, told: str, height: int, classes: Sequence[str]) -> Picture:
    cell, placement = letterbox(sample.picture, height, CELL, pad=PAPER)
    for box, label in zip(placement.to_square(sample.boxes).round().astype(int).tolist(), sample.labels, strict=True):
        cv2.rectangle(cell, box[:2], box[2:], colour_of(classes, int(label)), 1)
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(cell, told, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, thick, cv2.LINE_AA)
    return np.asarray(cell, np.uint8)
