"""Heads: skull, face, hair, and what is worn on them, as ellipsoids seen from the camera.

A head has its own space in metres: x to its right, y up, z where the face looks; the
middle of the skull is at 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .figure import Canvas
from .noise import Array, cloud, smoothstep, stream
from .people import Looks

Paint = tuple[Array, Array, Array, Array]  # colour [h, w, 3], gloss, glow, sideways ridge [h, w]

_GRAIN: list[Array] = []


@dataclass(frozen=True)
class HeadView:
    """Where a head is in the frame and how it is turned."""

    middle: Array  # [2] frame pixels of the skull's middle
    scale: float  # pixels a metre
    right: Array  # [3] the frame's right in the head's space
    up: Array  # [3] the frame's up
    near: Array  # [3] towards the camera


@dataclass(frozen=True)
class Ellipsoid:
    """One part of a head; `above` cuts off what lies lower in the head's space."""

    middle: tuple[float, float, float]
    radii: tuple[float, float, float]
    paint: str
    above: float = -1.0


def parts_of(looks: Looks) -> list[Ellipsoid]:
    """The ellipsoids of a head with what it wears."""
    parts = [Ellipsoid((0, 0, 0), (0.077, 0.118, 0.097), "face"),
             Ellipsoid((0, -0.015, 0.094), (0.014, 0.026, 0.022), "skin"),
             Ellipsoid((0, -0.068, 0.03), (0.054, 0.048, 0.054), "jaw"),
             Ellipsoid((0.077, -0.01, -0.005), (0.012, 0.032, 0.02), "skin"),
             Ellipsoid((-0.077, -0.01, -0.005), (0.012, 0.032, 0.02), "skin")]
    if looks.hat == "helmet":
        parts += [Ellipsoid((0, 0.04, -0.004), (0.113, 0.118, 0.136), "shell", 0.04),
                  Ellipsoid((0, 0.041, 0.006), (0.126, 0.011, 0.156), "brim"),
                  Ellipsoid((0, 0.045, 0.085), (0.085, 0.012, 0.098), "brim")]
        if looks.has_lamp:
            parts.append(Ellipsoid((0, 0.095, 0.128), (0.026, 0.026, 0.024), "lamp"))
    elif looks.hat == "cap":
        parts.append(Ellipsoid((0, 0.03, -0.004), (0.088, 0.105, 0.108), "wool", 0.03))
        if looks.has_peak:
            parts.append(Ellipsoid((0, 0.045, 0.1), (0.068, 0.009, 0.075), "wool"))
    elif not looks.is_bald:
        parts.append(Ellipsoid((0, 0.012, -0.008), (0.086, 0.121, 0.103), "hair"))
    return parts


def box_of(looks: Looks, view: HeadView) -> Array:
    """[4] x0 y0 x1 y1 in frame pixels of the whole head with what it wears (the lamp left out)."""
    lows, highs = [], []
    for part in parts_of(looks):
        if part.paint == "lamp":
            continue
        middle, radii = np.array(part.middle), np.array(part.radii)
        for axis in (view.right, -view.up):
            at, reach = float(middle @ axis), float(np.linalg.norm(radii * axis))
            lows.append(at - reach)
            highs.append(at + reach)
        if part.above > -1:  # the lower half is cut away
            rim = float(np.linalg.norm(radii[[0, 2]] * view.up[[0, 2]]))
            highs[-1] = float(middle @ -view.up) + rim
    low, high = np.array(lows).reshape(-1, 2).min(axis=0), np.array(highs).reshape(-1, 2).max(axis=0)
    return np.concatenate([view.middle + low * view.scale, view.middle + high * view.scale]).astype(np.float32)


def draw_head(canvas: Canvas, looks: Looks, view: HeadView, seed: int) -> tuple[tuple[slice, slice], Array] | None:
    """Draw it; the window of the canvas and the mask [h, w] of the head's pixels, or None where it misses."""
    x0, y0, x1, y1 = box_of(looks, view)
    window = canvas.window(x0 - 2, y0 - 2, x1 + 2, y1 + 2)
    if window is None:
        return None
    x, y = canvas.pixels(window)
    u = (x - np.float32(view.middle[0])) / np.float32(view.scale)
    v = (np.float32(view.middle[1]) - y) / np.float32(view.scale)
    origin = [u * np.float32(view.right[i]) + v * np.float32(view.up[i]) for i in range(3)]
    nearest = np.full(origin[0].shape, -10, np.float32)
    mask = np.zeros(origin[0].shape, bool)
    for part in parts_of(looks):
        mask |= _draw_part(canvas, window, part, origin, nearest, looks, view, seed)
    return window, mask


def _draw_part(canvas: Canvas, window: tuple[slice, slice], part: Ellipsoid, origin: list[Array], nearest: Array,
               looks: Looks, view: HeadView, seed: int) -> Array:
    """Draw one ellipsoid where it lies before the others; its pixels."""
    way = [np.float32(view.near[i] / part.radii[i]) for i in range(3)]
    start = [(origin[i] - np.float32(part.middle[i])) * np.float32(1 / part.radii[i]) for i in range(3)]
    square = sum(w * w for w in way)
    half = sum(s * w for s, w in zip(start, way, strict=True))
    rest = half * half - square * (sum(s * s for s in start) - 1)
    reach = (np.sqrt(np.maximum(rest, 0)) - half) / square
    local = [start[i] + reach * way[i] for i in range(3)]  # on a ball of radius 1
    size = float(np.prod(part.radii)) ** (1 / 3) * view.scale
    cover = np.clip(rest / (2 * square) * np.float32(size) + np.float32(0.5), 0, 1)
    if part.above > -1:
        height = local[1] * np.float32(part.radii[1]) + np.float32(part.middle[1])
        cover *= height > part.above
    drawn = (cover > 0.5) & (reach > nearest)
    np.copyto(nearest, reach, where=drawn)
    np.maximum(canvas.cover[window], cover, out=canvas.cover[window])
    normal: list[Array] = [local[i] * np.float32(1 / part.radii[i]) for i in range(3)]
    colour, gloss, glow, ridge = _painted(part, local, looks, seed)
    length = 1 / np.sqrt(sum(n * n for n in normal) + np.float32(1e-6))
    normal[0] = normal[0] + ridge / length
    facing_right = sum(n * np.float32(axis) for n, axis in zip(normal, view.right, strict=True)) * length
    facing_up = sum(n * np.float32(axis) for n, axis in zip(normal, view.up, strict=True)) * length
    np.copyto(canvas.right_facing[window], facing_right, where=drawn)
    np.copyto(canvas.down_facing[window], -facing_up, where=drawn)
    np.copyto(canvas.colour[window], colour, where=drawn[..., None])
    np.copyto(canvas.gloss[window], gloss, where=drawn)
    np.copyto(canvas.glow[window], glow, where=drawn)
    return drawn


def _painted(part: Ellipsoid, local: list[Array], looks: Looks, seed: int) -> Paint:
    """How a part looks at points of a ball of radius 1."""
    x, y, z = local
    grain = _grain(x, y, z, seed)
    none = np.zeros_like(x)
    if part.paint in ("shell", "brim"):
        return _shell(part, x, y, z, grain, looks)
    if part.paint == "lamp":
        lens = smoothstep(0.55, 0.75, z)
        return np.full((*x.shape, 3), 0.03, np.float32) + 0.6 * lens[..., None], none + 0.3, lens, none
    if part.paint == "wool":
        rib = np.float32(0.12) * np.sin(np.arctan2(x, z) * 40) * (not looks.has_peak)
        shade = np.float32(0.9) * (1 - 0.3 * looks.grime + 0.25 * grain + rib)
        return shade[..., None] * looks.hat_colour, none, none, none
    if part.paint == "hair":
        return _hair(x, y, z, grain, looks)
    return _skin(part.paint, x, y, z, grain, looks), none + 0.05, none, none


def _shell(part: Ellipsoid, x: Array, y: Array, z: Array, grain: Array, looks: Looks) -> Paint:
    dirt = np.clip(looks.grime * (0.35 + 0.9 * grain), 0, 0.75)
    colour = (1 - dirt)[..., None] * looks.hat_colour + dirt[..., None] * np.float32(0.05)
    none = np.zeros_like(x)
    if part.paint == "brim":
        return colour * np.where(y < -0.1, np.float32(0.35), np.float32(0.9))[..., None], none + 0.15, none, none
    crest = np.exp(-(np.abs(x) / 0.16) ** 2) * (y > 0.25)  # a raised band from front to back
    edge = smoothstep(0.08, 0.16, np.abs(x)) * smoothstep(0.26, 0.18, np.abs(x))
    ridge = np.where(crest > 0.05, np.sign(x) * edge, 0)
    seam = smoothstep(0.14, 0.03, y)  # shade above the brim
    colour *= (1 - 0.35 * seam - 0.18 * np.abs(ridge))[..., None]
    return colour, (0.9 - 0.75 * dirt).astype(np.float32), none, (0.8 * ridge).astype(np.float32)


def _hair(x: Array, y: Array, z: Array, grain: Array, looks: Looks) -> Paint:
    """Hair, and the skin of brow, temples and neck below the hairline."""
    line = 0.2 + 0.55 * z + 0.08 * grain - 0.25 * (np.abs(x) > 0.8) * (z < 0.3)
    is_hair = smoothstep(-0.06, 0.06, y - line)[..., None]
    skin = _skin("face", x, y, z, grain, looks)
    locks = (1 + 0.8 * grain)[..., None] * looks.hair
    return skin + is_hair * (locks - skin), 0.25 * is_hair[..., 0], np.zeros_like(x), 0.15 * grain


def _skin(part: str, x: Array, y: Array, z: Array, grain: Array, looks: Looks) -> Array:
    soot = np.clip(looks.grime * (0.2 + 0.5 * grain), 0, 0.6)
    colour = (1 - soot + 0.06 * grain)[..., None] * looks.skin
    if part == "skin":
        return colour
    if part == "jaw":
        beard = looks.beard * smoothstep(0.25, -0.1, y) * 0.85
        return colour + beard[..., None] * (looks.hair - colour)
    front = smoothstep(0.25, 0.6, z)
    shade = 0.75 * _spot(np.abs(x) - 0.4, y - 0.05, 0.15, 0.07)  # eyes in their hollows
    shade += 0.3 * _spot(np.abs(x) - 0.4, y - 0.03, 0.28, 0.16)
    shade += 0.55 * _spot(np.abs(x) - 0.4, y - 0.2, 0.2, 0.04)  # brows
    shade += 0.5 * _spot(x, y + 0.5, 0.26, 0.035)  # mouth
    shade += 0.25 * _spot(x, y + 0.32, 0.2, 0.05)  # under the nose
    colour *= (1 - np.clip(shade, 0, 0.85) * front)[..., None]
    beard = looks.beard * smoothstep(-0.3, -0.5, y - 0.25 * np.abs(x)) * smoothstep(-0.2, 0.2, z) * 0.85
    colour += beard[..., None] * (looks.hair - colour)
    worn = 0.45 * smoothstep(0.1, 0.35, y) if looks.hat != "hair" else np.zeros_like(y)
    nape = smoothstep(0.1, -0.3, z) * smoothstep(-0.45, -0.2, y) * (not looks.is_bald)  # hair below a helmet
    colour += nape[..., None] * (looks.hair * 1.2 - colour)
    return np.asarray(colour * (1 - worn)[..., None], np.float32)


def _spot(x: Array, y: Array, wide: float, high: float) -> Array:
    return np.asarray(np.exp(-(x * np.float32(1 / wide)) ** 2 - (y * np.float32(1 / high)) ** 2), np.float32)


def _grain(x: Array, y: Array, z: Array, seed: int) -> Array:
    if not _GRAIN:
        _GRAIN.append(np.clip(cloud(stream(0, 8), (128, 128), 20, 4, fade=0.7), -2, 2) * np.float32(0.5))
    rows = ((y + z * 0.7) * 40).astype(np.int32) + seed * 53 & 127
    columns = ((x - z * 0.4) * 40).astype(np.int32) + seed * 29 & 127
    return np.asarray(_GRAIN[0][rows, columns])
