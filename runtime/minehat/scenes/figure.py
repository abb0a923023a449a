"""The canvas on which one person is drawn before the light falls on it, and its round limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import Array, cloud, stream


@dataclass(frozen=True)
class Canvas:
    """A window of the frame. Every array is [h, w] float32, colour [h, w, 3] BGR."""

    left: int  # of the frame
    top: int
    colour: Array  # share of light given back
    right_facing: Array  # the surface's normal: its part along the camera's right
    down_facing: Array  # and along the camera's down; the rest faces the camera
    gloss: Array
    glow: Array  # light of its own, white
    cover: Array  # 0 to 1

    def window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice] | None:
        """Rows and columns of the part that frame pixels x0 y0 x1 y1 touch; None where they miss it."""
        height, width = self.cover.shape
        rows = slice(max(int(y0) - 1 - self.top, 0), min(int(y1) + 2 - self.top, height))
        columns = slice(max(int(x0) - 1 - self.left, 0), min(int(x1) + 2 - self.left, width))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def pixels(self, window: tuple[slice, slice]) -> tuple[Array, Array]:
        """Frame coordinates of pixel centres: x [1, w], y [h, 1]."""
        rows, columns = window
        x = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(self.left + 0.5)
        y = np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(self.top + 0.5)
        return x[None, :], y[:, None]


def blank_canvas(left: int, top: int, right: int, bottom: int) -> Canvas:
    """Nothing drawn yet on frame pixels left..right, top..bottom."""
    shape = (bottom - top, right - left)
    plain = [np.zeros(shape, np.float32) for _ in range(5)]
    return Canvas(left, top, np.zeros((*shape, 3), np.float32), *plain)


@dataclass(frozen=True)
class Cloth:
    """How a limb is dressed; along runs from 0 at its first end to 1 at its last."""

    colour: Array  # [3] BGR
    folds: float = 0.5
    bands: tuple[tuple[float, float], ...] = ()  # where reflective bands lie along it
    cuff: tuple[float, Array] | None = None  # from there on another colour


_SILVER = np.array([0.62, 0.62, 0.58], np.float32)
_CREASES: list[Array] = []


def draw_limb(canvas: Canvas, ends: Array, radii: tuple[float, float], cloth: Cloth, seed: int, shade: float = 1.0,
              blunt: float = 1.0) -> None:
    """A round limb between two points of the frame; later ones cover earlier ones.

    ends: [2, 2] x y pixels. radii: pixels at the two ends. blunt: above 1 flattens the round ends.
    """
    (x0, y0), (x1, y1) = ends
    widest = max(radii)
    window = canvas.window(min(x0, x1) - widest, min(y0, y1) - widest, max(x0, x1) + widest, max(y0, y1) + widest)
    if window is None:
        return
    length = max(float(np.hypot(x1 - x0, y1 - y0)), 0.01)
    ux, uy = np.float32((x1 - x0) / length), np.float32((y1 - y0) / length)
    x, y = canvas.pixels(window)
    dx, dy = x - np.float32(x0), y - np.float32(y0)
    along = dx * ux + dy * uy
    aside = dy * ux - dx * uy
    inside = np.clip(along, 0, np.float32(length))
    share = inside * np.float32(1 / length)
    inverse = 1 / (np.float32(radii[0]) + share * np.float32(radii[1] - radii[0]))
    over = (along - inside) * np.float32(blunt) * inverse
    aside *= inverse
    off = np.sqrt(over * over + aside * aside)
    drawn = off < 1
    cover = np.clip((1 - off) / inverse + np.float32(0.5), 0, 1)
    np.maximum(canvas.cover[window], cover, out=canvas.cover[window])
    crease = _crease(share * np.float32(length / max(widest, 1) * 20), aside * 26, seed) * np.float32(cloth.folds)
    np.copyto(canvas.right_facing[window], over * ux - aside * uy + crease * np.float32(0.6), where=drawn)
    np.copyto(canvas.down_facing[window], over * uy + aside * ux + crease * np.float32(0.5), where=drawn)
    colour = _dressed(cloth, share, np.float32(shade) * (1 + np.float32(0.35) * crease))
    np.copyto(canvas.colour[window], colour, where=drawn[..., None])
    np.copyto(canvas.gloss[window], np.float32(0.02), where=drawn)
    np.copyto(canvas.glow[window], np.float32(0), where=drawn)


def _dressed(cloth: Cloth, share: Array, shade: Array) -> Array:
    colour = shade[..., None] * cloth.colour
    if cloth.cuff is not None:
        begin, paint = cloth.cuff
        np.copyto(colour, shade[..., None] * paint, where=(share > begin)[..., None])
    for begin, end in cloth.bands:
        band = ((share > begin) & (share < end))[..., None]
        np.copyto(colour, np.sqrt(shade)[..., None] * _SILVER, where=band)
    return colour


def _crease(along: Array, aside: Array, seed: int) -> Array:
    """Folds of cloth: noise that clings to a limb."""
    if not _CREASES:
        _CREASES.append(np.clip(cloud(stream(0, 9), (256, 256), 24, 4, fade=0.6), -2, 2) * np.float32(0.5))
    rows = (along.astype(np.int32) + seed * 37) & 255
    columns = (aside.astype(np.int32) + seed * 91) & 255
    return np.asarray(_CREASES[0][rows, columns])
