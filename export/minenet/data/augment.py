"""What a training picture goes through: mosaic or a random view, mirror, light. All from one random generator."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from minehat.letterbox import place

from .sources import Sample

PAD = 114
SEEN_SHARE = 0.35  # of a box that must be left inside the view for it to be kept
SMALLEST = 4.0  # pixels; smaller boxes are dropped


def augmented(sample: Sample, others: Sequence[Sample], size: int, rng: np.random.Generator) -> Sample:
    """A `size` x `size` training view. With three `others` the four are laid out as a mosaic."""
    view = mosaic([sample, *others], size, rng) if others else random_view(sample, size, rng)
    if rng.random() < 0.5:
        view = mirrored(view)
    return relit(view, rng)


def random_view(sample: Sample, size: int, rng: np.random.Generator) -> Sample:
    """One picture, zoomed 0.6..1.5 and shifted at random."""
    canvas = np.full((size, size, 3), PAD, np.uint8)
    placed = _paste(canvas, (0, 0, size, size), sample, float(rng.uniform(0.6, 1.5)), rng)
    return Sample(canvas, *placed)


def mosaic(samples: Sequence[Sample], size: int, rng: np.random.Generator) -> Sample:
    """Four pictures around a random point."""
    canvas = np.full((size, size, 3), PAD, np.uint8)
    x, y = (int(v) for v in rng.uniform(0.3 * size, 0.7 * size, 2))
    regions = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    placed = [_paste(canvas, region, one, float(rng.uniform(0.45, 1.2)), rng)
              for region, one in zip(regions, samples, strict=True)]
    return Sample(canvas, np.concatenate([b for b, _ in placed]), np.concatenate([n for _, n in placed]))


def mirrored(sample: Sample) -> Sample:
    """Left and right swapped."""
    width = sample.picture.shape[1]
    boxes = sample.boxes.copy()
    boxes[:, [0, 2]] = width - sample.boxes[:, [2, 0]]
    return Sample(np.ascontiguousarray(sample.picture[:, ::-1]), boxes, sample.labels)


def relit(sample: Sample, rng: np.random.Generator) -> Sample:
    """Hue, saturation and light changed; now and then grey, as infra-red cameras see."""
    hue, saturation, value = rng.uniform([-8, 0.5, 0.6], [8, 1.4, 1.4])
    gamma = float(np.exp(rng.uniform(-0.5, 0.7)))
    if rng.random() < 0.08:
        saturation = 0.0
    steps = np.arange(256)
    tables = np.stack([(steps + hue) % 180, np.clip(steps * saturation, 0, 255),
                       np.clip(255 * (steps / 255) ** gamma * value, 0, 255)], axis=-1).astype(np.uint8)
    hsv = cv2.LUT(cv2.cvtColor(sample.picture, cv2.COLOR_BGR2HSV), tables[None])
    return Sample(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8), sample.boxes, sample.labels)


def _paste(canvas: np.ndarray, region: tuple[int, int, int, int], sample: Sample, zoom: float,
           rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture, zoomed relative to fitting the canvas, at a random place of a region; the boxes still seen."""
    x0, y0, x1, y1 = region
    height, width = sample.picture.shape[:2]
    fit = place(height, width, *canvas.shape[:2]).scale_x * zoom
    stretch = float(np.exp(rng.uniform(-0.12, 0.12)))
    scale = np.array([fit * stretch, fit / stretch])
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
    return inside[kept].astype(np.float32), sample.labels[kept]
