"""Light on a person: one small table of brightness for every way that a surface can face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .camera import Camera
from .figure import Canvas
from .guests import opencv
from .light import Lamp
from .noise import Array

SIDE = 28  # of the table


def lit(canvas: Canvas, point: Array, camera: Camera, lamps: Sequence[Lamp], glow: Array) -> Array:
    """The canvas under the lamps as they shine at `point` [3]: linear BGR [h, w, 3] float32.

    glow: [3] BGR, the brightness of what shines of its own accord.
    """
    cv2 = opencv()
    table = _table(point, camera, lamps)
    columns = (canvas.right_facing + 1) * np.float32((SIDE - 1) / 2)
    rows = (canvas.down_facing + 1) * np.float32((SIDE - 1) / 2)
    light = cv2.remap(table, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    bright: Array = canvas.colour * light[..., :3]
    bright += (canvas.gloss * light[..., 3])[..., None]
    if canvas.glow.any():
        bright += canvas.glow[..., None] * glow.astype(np.float32)
    return bright


def _table(point: Array, camera: Camera, lamps: Sequence[Lamp]) -> Array:
    """[SIDE, SIDE, 4]: BGR light and white gloss, by how far a surface faces right and down."""
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)
    across, below = np.meshgrid(ramp, ramp)
    length = np.maximum(np.hypot(across, below), 1)
    right, down = across / length, below / length
    towards: Array = np.sqrt(np.maximum(1 - right * right - down * down, 0))
    table = np.zeros((SIDE, SIDE, 4), np.float32)
    around = np.zeros(3)
    for lamp in lamps:
        colour, way = lamp.at(point)
        x, y, z = (camera.axes @ way).astype(np.float32)
        facing = right * x + down * y - towards * z
        table[..., :3] += np.clip(0.15 + 0.85 * facing, 0, None)[..., None] * colour.astype(np.float32)
        hx, hy, hz = np.array([x, y, z - 1]) / (np.linalg.norm([x, y, z - 1]) + 1e-6)
        shine = np.clip(right * np.float32(hx) + down * np.float32(hy) - towards * np.float32(hz), 0, 1)
        wide = (shine * shine) ** 2
        wide *= wide  # shine**8; numpy's powers beyond 2 are slow
        narrow = (wide * wide) ** 2 * wide
        table[..., 3] += (narrow * np.float32(0.9) + wide * np.float32(0.08)) * np.float32(colour.mean())
        reach = (float(lamp.place[2]) - float(point[2])) / 7
        around += lamp.colour * 0.014 * np.exp(-reach * reach) + colour * 0.07
    table[..., :3] += (0.6 - 0.4 * down)[..., None] * around.astype(np.float32)
    return table
