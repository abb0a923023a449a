"""`mirror_bands.tsv`: pictures that were padded to a square with their own mirror image, and how they are cut."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .faults import Fault, OnFault
from .texts import lines_of

NAME = "mirror_bands.tsv"
SEEN_SHARE = 0.4  # a box that keeps less of itself than this inside the cut picture is dropped
ROUNDING = 1e-3  # so that a form that rounds drops what the others drop
Window = tuple[int, int, int, int]
Bands = dict[str, tuple[str, int]]


def read_bands(path: Path, on_fault: OnFault) -> Bands:
    """Stem -> sides (tb or lr) and pixels of each of its two bands. Empty where there is no such file."""
    bands: Bands = {}
    for number, line in (lines_of(path, "broken bands", on_fault) or ()) if os.path.isfile(path) else ():
        if line.startswith("#"):
            continue
        stem, sides, pixels = (*line.split("\t"), "", "", "")[:3]
        if sides in ("tb", "lr") and pixels.isascii() and pixels.isdecimal():
            bands[stem] = (sides, int(pixels))
        else:
            on_fault(Fault("broken bands", path, f"line {number} must be: name, tb or lr, pixels (tab between them)"))
    return bands


def window_of(stem: str, bands: Bands, size: tuple[int, int]) -> Window | None:
    """x0 y0 x1 y1 of what the bands leave of a picture of `size` (width, height); None where it has none.

    Raises ValueError where they leave nothing.
    """
    if stem not in bands:
        return None
    (sides, pixels), (width, height) = bands[stem], size
    if 2 * pixels >= (height if sides == "tb" else width):
        raise ValueError(f"two bands of {pixels} pixels ({sides}) leave nothing of {stem}, which is {width}x{height}")
    return (0, pixels, width, height - pixels) if sides == "tb" else (pixels, 0, width - pixels, height)


def cut(boxes: npt.NDArray[np.float32], window: Window) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Boxes [n, 4] moved into the window and clipped to it, and [n] which of them are still seen."""
    x0, y0, x1, y1 = window
    moved = boxes - np.array([x0, y0, x0, y0], np.float32)
    inside = np.clip(moved, 0, np.array([x1 - x0, y1 - y0] * 2, np.float32))
    before = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    after = np.prod(inside[:, 2:] - inside[:, :2], axis=1)
    return inside, after * (1 + ROUNDING) >= np.maximum(SEEN_SHARE * before, 1.0)
