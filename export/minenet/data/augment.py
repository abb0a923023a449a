"""What a training picture goes through: mosaic or a random view, mirror, light, a mine and its cameras.

All of it comes from the one random generator that is handed in. OpenCV does the heavy parts: on the same core kornia
takes 2 (affine) to 15 times (colours, JPEG) as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from minehat.letterbox import place

from .mine import Picture, seen_in_mine
from .sources import Sample

PAD = 114
SEEN_SHARE = 0.35  # of a box that must be left inside the view for it to be kept
SMALLEST = 4.0  # pixels; smaller boxes are dropped

Range = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """How training views differ from the pictures. Shares are of samples; within a range all is equally likely."""

    mosaic: float = 0.5  # share made of four pictures
    mine: float = 0.5  # share seen through what a mine and its cameras do, see mine.py
    effects: int = 3  # at most, of a mine on one sample
    strength: Range = (0.2, 1.0)  # of each of them
    mirror: float = 0.5  # share with left and right swapped
    infra_red: float = 0.08  # share without colour, as night cameras see
    zoom: Range = (0.6, 1.5)  # of a single picture; 1 just fits the square
    mosaic_zoom: Range = (0.45, 1.2)
    stretch: float = 0.12  # widths grow and heights shrink by up to e to this, or the other way round
    hue: float = 8.0  # steps either way of the 180 around the colour circle
    saturation: Range = (0.5, 1.4)
    brightness: Range = (0.6, 1.4)
    gamma: Range = (-0.5, 0.5)  # natural logarithm

    @classmethod
    def plain(cls) -> Augmentation:
        """Whole pictures, mirrored or not, in slightly different light."""
        return cls(mosaic=0.0, mine=0.0, infra_red=0.0, zoom=(1.0, 1.0), stretch=0.0, hue=3.0,
                   saturation=(0.8, 1.2), brightness=(0.8, 1.2), gamma=(-0.1, 0.1))


FULL = Augmentation()


def augmented(sample: Sample, others: Sequence[Sample], size: int, rng: np.random.Generator,
              how: Augmentation) -> Sample:
    """A `size` x `size` training view. With three `others` the four are laid out as a mosaic."""
    if others:
        view = mosaic([sample, *others], size, rng, how)
        view = replace(view, picture=as_filmed(view.picture, rng, how))
    else:
        view, seen = random_view(sample, size, rng, how)
        view.picture[seen] = as_filmed(view.picture[seen], rng, how)
    return mirrored(view) if rng.random() < how.mirror else view


def random_view(sample: Sample, size: int, rng: np.random.Generator,
                how: Augmentation) -> tuple[Sample, tuple[slice, slice]]:
    """One picture, zoomed and shifted at random, and its rows and columns; around it lies the letterbox's grey."""
    canvas = np.full((size, size, 3), PAD, np.uint8)
    boxes, labels, seen = _paste(canvas, (0, 0, size, size), sample, how.zoom, how.stretch, rng)
    return replace(sample, picture=canvas, boxes=boxes, labels=labels), seen


def mosaic(samples: Sequence[Sample], size: int, rng: np.random.Generator, how: Augmentation) -> Sample:
    """Four pictures around a random point."""
    canvas = np.full((size, size, 3), PAD, np.uint8)
    x, y = (int(v) for v in rng.uniform(0.3 * size, 0.7 * size, 2))
    regions = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    placed = [_paste(canvas, region, one, how.mosaic_zoom, how.stretch, rng)
              for region, one in zip(regions, samples, strict=True)]
    return replace(samples[0], picture=canvas, boxes=np.concatenate([boxes for boxes, _, _ in placed]),
                   labels=np.concatenate([labels for _, labels, _ in placed]))


def mirrored(sample: Sample) -> Sample:
    """Left and right swapped."""
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = sample.picture.shape[1] - sample.boxes[:, [2, 0]]
    return replace(sample, picture=np.asarray(cv2.flip(sample.picture, 1), np.uint8), boxes=boxes)


def as_filmed(picture: Picture, rng: np.random.Generator, how: Augmentation) -> Picture:
    """In other light, and by chance through a mine and without colour; nothing moves."""
    picture = relit(picture, rng, how)
    if rng.random() < how.mine:
        picture = seen_in_mine(picture, rng, how.effects, how.strength)
    return infra_red(picture) if rng.random() < how.infra_red else picture


def relit(picture: Picture, rng: np.random.Generator, how: Augmentation) -> Picture:
    """Hue, saturation and light changed."""
    hue, saturation = rng.uniform(-how.hue, how.hue), rng.uniform(*how.saturation)
    brightness, gamma = rng.uniform(*how.brightness), np.exp(rng.uniform(*how.gamma))
    steps = np.arange(256)
    tables = np.stack([(steps + hue) % 180, np.clip(steps * saturation, 0, 255),
                       np.clip(255 * (steps / 255) ** gamma * brightness, 0, 255)], axis=-1).astype(np.uint8)
    hsv = cv2.LUT(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), tables[None])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)


def infra_red(picture: Picture) -> Picture:
    """Grey: of each pixel its brightest colour, since dyes of most kinds are pale in infra-red."""
    blue, green, red = cv2.split(picture)
    grey = cv2.max(cv2.max(blue, green), red)
    return np.asarray(cv2.merge([grey, grey, grey]), np.uint8)


def _paste(canvas: Picture, region: tuple[int, int, int, int], sample: Sample, zoom: Range, stretch: float,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    """Draw a picture, zoomed relative to fitting the canvas, at a random place of a region.

    Returns the boxes still seen, their labels, and the rows and columns of the canvas that the picture touches."""
    x0, y0, x1, y1 = region
    height, width = sample.picture.shape[:2]
    fit = place(height, width, *canvas.shape[:2]).scale_x * rng.uniform(*zoom)
    wider = np.exp(rng.uniform(-stretch, stretch))
    scale = np.array([fit * wider, fit / wider])
    room = np.array([x1 - x0, y1 - y0]) - scale * [width, height]
    shift = rng.uniform(np.minimum(room, 0), np.maximum(room, 0)) + np.array([x0, y0])
    # pixel centres lie at +0.5, so that boxes and pixels move alike
    matrix = np.array([[scale[0], 0, shift[0] + 0.5 * scale[0] - 0.5 - x0],
                       [0, scale[1], shift[1] + 0.5 * scale[1] - 0.5 - y0]])
    canvas[y0:y1, x0:x1] = cv2.warpAffine(sample.picture, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR,
                                          borderMode=cv2.BORDER_CONSTANT, borderValue=(PAD, PAD, PAD))
    moved = sample.boxes * np.tile(scale, 2) + np.tile(shift, 2)
    inside = np.clip(moved, [x0, y0, x0, y0], [x1, y1, x1, y1])
    before = (moved[:, 2:] - moved[:, :2]).prod(axis=1)
    sides = inside[:, 2:] - inside[:, :2]
    kept = (sides.prod(axis=1) >= SEEN_SHARE * before) & (sides.min(axis=1, initial=np.inf) >= SMALLEST)
    left, top = np.clip(np.floor(shift), [x0, y0], [x1 - 1, y1 - 1]).astype(int).tolist()
    right, bottom = np.clip(np.ceil(shift + scale * [width, height]), [x0 + 1, y0 + 1], [x1, y1]).astype(int).tolist()
    return inside[kept].astype(np.float32), sample.labels[kept], (slice(top, bottom), slice(left, right))
