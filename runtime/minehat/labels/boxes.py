"""Whether a box can be one of its picture's."""

from __future__ import annotations

import math

from .faults import Kind

Box = tuple[float, float, float, float]
SLACK = 1.0  # pixels over the edge that are let pass: some tools count from 0 where others count from 1, some round
ROUNDING = 1e-3  # pixels


def trouble_of(box: Box, size: tuple[int, int]) -> tuple[Kind, str] | None:
    """What is wrong with x0 y0 x1 y1 in pixels of a picture of `size` (width, height); None where it is sound."""
    if not all(map(math.isfinite, box)):
        return "not a number", "a corner is not a finite number"
    (x0, y0, x1, y1), (width, height) = box, size
    if x1 < x0 or y1 < y0:
        return "box without area", "the box is inside out"
    if x1 == x0 or y1 == y0:
        return "box without area", "the box has no area"
    over = max(-x0, -y0, x1 - width, y1 - height)
    if over > SLACK + ROUNDING or min(x1, y1, width - x0, height - y0) <= 0:
        return "box outside", (f"the box reaches {over:.4g} pixels over the edge of the picture, which is "
                               f"{width}x{height} ({SLACK:g} pixel is let pass)")
    return None


def clipped(box: Box, size: tuple[int, int]) -> Box:
    """The part of a sound box inside its picture."""
    (x0, y0, x1, y1), (width, height) = box, size
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
