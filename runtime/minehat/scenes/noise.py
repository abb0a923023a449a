"""Seeded clouds of noise, from which rock, mud, cloth and dust are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .guests import opencv

Array = npt.NDArray[Any]


def stream(seed: int, *name: int) -> np.random.Generator:
    """A generator of its own for each part of a scene, so that one part never shifts another."""
    return np.random.default_rng([abs(int(seed)), int(seed < 0), *name])


def cloud(rng: np.random.Generator, shape: tuple[int, int], coarsest: float, octaves: int,
          fade: float = 0.55, stretch: float = 1.0) -> Array:
    """Smooth noise, float32 [h, w], mean about 0, spread about 1.

    coarsest: pixels across the largest lump. Each octave halves the lumps and scales them by `fade`.
    stretch: how many times longer the lumps are along x than along y.
    """
    cv2 = opencv()
    height, width = shape
    total = np.zeros((1, 1), np.float32)
    power = 0.0
    for octave in range(octaves):
        cell = coarsest / 2**octave
        if cell < 1:
            break
        rows = max(2, round(height / cell) + 1)
        columns = max(2, round(width / (cell * stretch)) + 1)
        total = cv2.resize(total, (columns, rows), interpolation=cv2.INTER_CUBIC)
        total += np.float32(fade**octave) * rng.standard_normal((rows, columns), np.float32)
        power += fade ** (2 * octave)
    total *= np.float32(1 / max(power, 1e-6) ** 0.5)
    return np.asarray(cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, a smooth S between; `low` may be the larger."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)
