"""python tests/golden_vectors.py

Writes tests/golden/one_answer.npz: what letterbox, decode and suppression are by definition, on inputs made up by
formulas. Each step is told here once more, slowly and in float64, by other means than the runtime's; the file holds
what came of it, so that nobody's arithmetic, this one's neither, changes unseen.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

PATH = Path(__file__).resolve().parent / "golden" / "one_answer.npz"
FRAMES = ((1, 7), (31, 97), (48, 48), (120, 160), (97, 31))  # h, w
HEIGHT, WIDTH, PAD = 32, 64, 114  # of the letterbox's square
SIDE, STRIDES = 96, (8, 16, 32)  # of the network that the maps are of
ANCHORS = ((9, 16), (19, 33), (36, 62), (64, 108), (109, 179), (198, 310))
CLASSES = 2
CONF, IOU = 0.25, 0.5


def frame_of(height: int, width: int) -> np.ndarray:
    """A frame without regularity that bilinear arithmetic would forgive."""
    y, x, c = np.mgrid[:height, :width, :3]
    return ((7 * x + 13 * y * y + 29 * c + x * y * (c + 1)) % 256).astype(np.uint8)


def map_of(row: int) -> np.ndarray:
    """Raw map [14, h, w] of STRIDES[row], float32: most places empty, some hot ones, neighbours alike."""
    side = SIDE // STRIDES[row]
    c, y, x = np.mgrid[:2 * (5 + CLASSES), :side, :side]
    waves = np.sin(c * 12.9 + x * 0.9 + y * 1.7 + row) + np.sin(c * 4.1 - x * 2.3 + y * 0.6)
    scale = np.choose(c % (5 + CLASSES), [1.7, 1.7, 0.3, 0.3, 1.9, 1.6, 1.4])
    lift = np.choose(c % (5 + CLASSES), [0, 0, 0, 0, -0.2, 0.9, 0.5])
    return np.asarray(scale * waves + lift, np.float32)


def letterboxed(frame: np.ndarray) -> np.ndarray:
    """float64 [HEIGHT, WIDTH, 3] BGR: the frame centred, its pixels between those of the frame by distance."""
    high, wide = frame.shape[:2]
    scale = min(Fraction(WIDTH, wide), Fraction(HEIGHT, high))
    new_high, new_wide = (max(1, math.floor(side * scale + Fraction(1, 2))) for side in (high, wide))
    square = np.full((HEIGHT, WIDTH, 3), float(PAD))
    for row in range(new_high):
        for column in range(new_wide):
            y = float(min(max(Fraction(2 * row + 1, 2 * new_high) * high - Fraction(1, 2), 0), high - 1))
            x = float(min(max(Fraction(2 * column + 1, 2 * new_wide) * wide - Fraction(1, 2), 0), wide - 1))
            below, right = min(int(y) + 1, high - 1), min(int(x) + 1, wide - 1)
            corners = (frame[int(y), int(x)] * (1 - x % 1) + frame[int(y), right] * (x % 1),
                       frame[below, int(x)] * (1 - x % 1) + frame[below, right] * (x % 1))
            square[(HEIGHT - new_high) // 2 + row, (WIDTH - new_wide) // 2 + column] = (
                corners[0] * (1 - y % 1) + corners[1] * (y % 1))
    return square


def decoded(maps: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [B, 4] x0 y0 x1 y1 and scores [B, C], float64, by map, anchor, row, column; one cell may answer."""
    boxes, scores = [], []
    for row, raw in enumerate(maps):
        for anchor in range(2):
            wide, high = ANCHORS[2 * row + anchor]
            for y in range(raw.shape[1]):
                for x in range(raw.shape[2]):
                    tx, ty, tw, th, *logits = (float(value) for value in raw[7 * anchor:7 * anchor + 7, y, x])
                    centre = (share(tx) + x) * STRIDES[row], (share(ty) + y) * STRIDES[row]
                    half = math.exp(min(tw, 6)) * wide / 2, math.exp(min(th, 6)) * high / 2
                    boxes.append([centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]])
                    scores.append([share(logits[0]) * share(logit) for logit in logits[1:]])
    return np.array(boxes), np.array(scores)


def share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def kept(boxes: np.ndarray, scores: np.ndarray, conf: float = CONF, iou: float = IOU, most: int = 300) -> np.ndarray:
    """Rows that suppression leaves, the best first."""
    labels = [max(range(len(row)), key=lambda label, row=row: (row[label], -label)) for row in scores]
    best = [row[label] for row, label in zip(scores, labels, strict=True)]
    rows: list[int] = []
    for row in sorted((row for row in range(len(boxes)) if best[row] >= conf), key=lambda row: (-best[row], row)):
        if all(labels[other] != labels[row] or overlap(boxes[other], boxes[row]) <= iou for other in rows):
            rows.append(row)
    return np.array(rows[:most], np.int64)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    a, b = [float(edge) for edge in a], [float(edge) for edge in b]
    sides = [max(0.0, min(a[high], b[high]) - max(a[low], b[low])) for low, high in ((0, 2), (1, 3))]
    areas = [max(0.0, one[2] - one[0]) * max(0.0, one[3] - one[1]) for one in (a, b)]
    union = sum(areas) - sides[0] * sides[1]
    return sides[0] * sides[1] / union if union > 0 else 0.0


def golden() -> dict[str, np.ndarray]:
    """What the file holds."""
    maps = [map_of(row) for row in range(3)]
    boxes, scores = (values.astype(np.float32) for values in decoded(maps))
    squares = {f"square_{high}x{wide}": np.floor(letterboxed(frame_of(high, wide)) + 0.5).astype(np.uint8)
               for high, wide in FRAMES}
    return {"boxes": boxes, "scores": scores, "kept": kept(boxes, scores),
            **squares, **{f"map_{stride}": raw for stride, raw in zip(STRIDES, maps, strict=True)}}


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(PATH, **golden())
