"""Walls and floors by chance: rock, steel arches, mesh, cables, pipes; mud, rails, a belt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .guests import opencv
from .noise import Array, cloud, smoothstep

ALONG = 0.025  # metres of a texel along z
ACROSS = 0.0125  # and across, finer: cables run along z


@dataclass(frozen=True)
class Sheet:
    """A rough surface unrolled; row 0 lies at -reach metres, column 0 at z = 0."""

    relief: Array  # [rows, columns] float32 metres into the room
    colour: Array  # [rows, columns, 3] float32 BGR, the share of light given back
    reach: float  # metres from the middle row to the first

    def relief_at(self, across: Array, along: Array) -> Array:
        """Relief at metres across the sheet and along z; any shape."""
        return self._sample(self.relief, across, along)

    def colour_at(self, across: Array, along: Array) -> Array:
        """BGR at metres across the sheet and along z: [h, w] -> [h, w, 3]."""
        return self._sample(self.colour, across, along)

    def _sample(self, table: Array, across: Array, along: Array) -> Array:
        cv2 = opencv()
        columns = (along * np.float32(1 / ALONG)).astype(np.float32)
        rows = ((across + np.float32(self.reach)) * np.float32(1 / ACROSS)).astype(np.float32)
        sampled: Array = cv2.remap(table, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return sampled


def dressed_walls(rng: np.random.Generator, girth: float, half_width: float, length: float) -> Sheet:
    """Walls and roof; girth: metres around from the crown to the floor."""
    across, along, shape = _grid(girth + 0.3, length)
    kind = rng.choice(["rock", "arches", "sprayed"], p=[0.4, 0.4, 0.2])
    relief, colour = {"rock": _rock, "arches": _arches, "sprayed": _sprayed}[kind](rng, across, along, shape)
    colour *= 1 + 0.35 * np.clip(_lumps(rng, shape, 3, 3), -2, 2)[..., None]
    _stone_dust(rng, colour, shape)
    if rng.random() < 0.45:
        _mesh(rng, across, along, relief, colour)
    for side in (-1, 1):
        _cables(rng, side, half_width, across, along, relief, colour)
    if rng.random() < 0.6:
        _pipes(rng, girth, across, along, relief, colour)
    if rng.random() < 0.4:
        _duct(rng, half_width, across, relief, colour)
    colour *= (0.45 + 0.55 * smoothstep(girth, girth - 1.1, np.abs(across)))[..., None]  # splashed mud
    _darken_hollows(relief, colour)
    return _sheet(relief, colour, girth + 0.3)


def dressed_floor(rng: np.random.Generator, half_width: float, length: float) -> tuple[Sheet, tuple[float, float]]:
    """A floor, and the lane (x from the middle) that is free to walk on."""
    across, along, shape = _grid(half_width + 0.6, length)
    mud = _lumps(rng, shape, 1.75, 6, fade=0.6, stretch=1.6)
    relief = 0.035 * mud + 0.05 * _lumps(rng, shape, 3.5, 2)
    grey = float(rng.uniform(0.05, 0.2))
    colour = _tinted(rng, grey) * (1 + 0.3 * mud[..., None] + 0.25 * _lumps(rng, shape, 0.125, 2)[..., None])
    relief = relief + 0.18 * smoothstep(half_width - 0.7, half_width, np.abs(across))  # spill along the walls
    lane = (-half_width + 0.75, half_width - 0.75)
    dress = rng.choice(["rails", "belt", "bare", "track"], p=[0.35, 0.25, 0.25, 0.15])
    if dress == "rails":
        _rails(rng, across, along, relief, colour)
    elif dress == "belt":
        lane = _belt(rng, half_width, across, shape, relief, colour)
    elif dress == "track":
        ruts = np.exp(-((np.abs(across) - 0.75) / 0.2) ** 2)
        relief -= 0.06 * ruts
        colour *= (1 - 0.45 * ruts)[..., None]
    if rng.random() < 0.5:
        wet = smoothstep(0.6, 1.2, -_lumps(rng, shape, 3.25, 3, stretch=1.5)) * (relief < 0.08)
        colour *= (1 - 0.6 * wet)[..., None]
    _darken_hollows(relief, colour)
    return _sheet(relief, colour, half_width + 0.6), lane


def _grid(reach: float, length: float) -> tuple[Array, Array, tuple[int, int]]:
    rows, columns = round(2 * reach / ACROSS), round(length / ALONG)
    across = (np.arange(rows, dtype=np.float32) * ACROSS - reach)[:, None]
    along = (np.arange(columns, dtype=np.float32) * ALONG)[None, :]
    return across, along, (rows, columns)


def _lumps(rng: np.random.Generator, shape: tuple[int, int], metres: float, octaves: int, fade: float = 0.55,
           stretch: float = 1.0) -> Array:
    """Noise of a sheet whose largest lumps are `metres` across, and `stretch` times as long along z."""
    return cloud(rng, shape, metres / ACROSS, octaves, fade, stretch * ACROSS / ALONG)


def _tinted(rng: np.random.Generator, grey: float) -> Array:
    """A stone colour, BGR, of about that brightness."""
    warmth = rng.uniform(-0.06, 0.28)
    return np.array([grey * (1 - warmth), grey, grey * (1 + 0.6 * warmth)], np.float32)


def _rock(rng: np.random.Generator, across: Array, along: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    lumps = _lumps(rng, shape, 1.5, 6, fade=0.6, stretch=1.3)
    slabs = _lumps(rng, shape, 0.85, 3, stretch=2.5)
    relief = 0.16 * _lumps(rng, shape, 2.75, 2) + 0.07 * np.abs(lumps) + 0.05 * np.round(1.5 * slabs) / 1.5
    grain = _lumps(rng, shape, 0.2, 3, fade=0.8)
    return relief, _tinted(rng, float(rng.uniform(0.10, 0.3))) * (1 + 0.22 * lumps + 0.16 * grain)[..., None]


def _arches(rng: np.random.Generator, across: Array, along: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    relief, colour = _rock(rng, across, along, shape)
    relief *= 0.45
    board = float(rng.uniform(0.16, 0.4))
    seam = np.abs((across / board + 0.03 * np.sin(along * 1.3)) % 1 - 0.5) * 2
    if rng.random() < 0.6:  # boards behind the arches
        relief = relief * 0.3 - 0.05 * (seam > 0.88)
        plank = np.floor(across / board).astype(int) % 7
        colour *= (0.55 + 0.25 * rng.random(7, np.float32))[plank][..., None] * (1 - 0.6 * (seam > 0.88))[..., None]
    pace = float(rng.uniform(0.8, 1.6))
    from_arch = np.abs((along / pace) % 1 - 0.5) * pace
    steel = (from_arch < 0.065) & (np.abs(across) >= 0)
    rust = _tinted(rng, float(rng.uniform(0.08, 0.22))) * (1 + 0.3 * _lumps(rng, shape, 0.25, 3)[..., None])
    relief = np.where(steel, 0.12 - 0.05 * (from_arch < 0.02), relief)
    return relief, np.where(steel[..., None], rust, colour)


def _sprayed(rng: np.random.Generator, across: Array, along: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    skin = _lumps(rng, shape, 0.6, 5, fade=0.65)
    relief = 0.09 * _lumps(rng, shape, 2.5, 2) + 0.018 * skin
    return relief, _tinted(rng, float(rng.uniform(0.25, 0.5))) * (1 + 0.12 * skin)[..., None]


def _stone_dust(rng: np.random.Generator, colour: Array, shape: tuple[int, int]) -> None:
    """Whitewash or settled dust in patches."""
    if rng.random() < 0.5:
        cover = smoothstep(0.1, 1.4, _lumps(rng, shape, 4, 5, fade=0.65, stretch=1.5)) * rng.uniform(0.3, 0.9)
        colour += cover[..., None] * (np.array([0.46, 0.48, 0.48], np.float32) - colour)


def _mesh(rng: np.random.Generator, across: Array, along: Array, relief: Array, colour: Array) -> None:
    pitch = float(rng.choice([0.1, 0.15, 0.2]))
    sag = 0.012 * np.sin(along * 2.1) + 0.01 * np.sin(across * 3.3)
    wire = ((np.abs((across + sag) / pitch % 1 - 0.5) * pitch < 0.009)
            | (np.abs((along + sag) / pitch % 1 - 0.5) * pitch < 0.0125)) & (relief < 0.11)
    relief[wire] += 0.008
    colour[wire] = colour[wire] * 0.5 + np.float32(rng.uniform(0.02, 0.25))


def _cables(rng: np.random.Generator, side: int, half_width: float, across: Array, along: Array, relief: Array,
            colour: Array) -> None:
    """A bundle that hangs from hooks along one wall."""
    hooks = float(rng.uniform(1.2, 3.0))
    at = side * half_width * float(rng.uniform(0.7, 1.6))
    for strand in range(int(rng.integers(0, 8))):
        swing = 4 * (((along / hooks) % 1) - 0.5) ** 2 - 1  # 0 at the hooks, -1 between them
        height = at + side * (0.085 * strand - float(rng.uniform(0.02, 0.2)) * swing)
        paint = [(0.03, 0.03, 0.035), (0.05, 0.05, 0.05), (0.3, 0.3, 0.3), (0.05, 0.16, 0.25), (0.04, 0.04, 0.2)]
        _tube(relief, colour, across, height, float(rng.uniform(0.025, 0.05)), 0.1,
              np.array(paint[int(rng.choice(5, p=[0.45, 0.3, 0.1, 0.09, 0.06]))], np.float32))


def _pipes(rng: np.random.Generator, girth: float, across: Array, along: Array, relief: Array,
           colour: Array) -> None:
    side = int(rng.choice([-1, 1]))
    for _ in range(int(rng.integers(1, 4))):
        radius = float(rng.uniform(0.05, 0.14))
        at = side * (girth - float(rng.uniform(0.25, 1.2)))
        flange = radius * (1 + 0.35 * ((along % 3.0) < 0.08))
        _tube(relief, colour, across, at, flange, 0.1, _tinted(rng, float(rng.uniform(0.1, 0.35))))


def _duct(rng: np.random.Generator, half_width: float, across: Array, relief: Array, colour: Array) -> None:
    """A ventilation tube under the roof."""
    at = half_width * float(rng.uniform(-0.8, 0.8))
    paint = [(0.05, 0.22, 0.28), (0.04, 0.04, 0.05), (0.3, 0.28, 0.25), (0.25, 0.14, 0.05)][int(rng.integers(4))]
    _tube(relief, colour, across, at, float(rng.uniform(0.2, 0.32)), 0.25,
          np.array(paint, np.float32) * 0.7)


def _tube(relief: Array, colour: Array, across: Array, axis: Array | float, radius: Array | float,
          stand_off: float, paint: Array) -> None:
    """Lay a round thing on the relief, its axis at `axis` (a number, or [1, columns]) metres across."""
    reach = float(np.max(radius)) * 1.8 + 0.03
    near = np.flatnonzero((across > np.min(axis) - reach) & (across < np.max(axis) + reach))
    if not len(near):
        return
    rows = slice(int(near[0]), int(near[-1]) + 1)
    relief, colour = relief[rows], colour[rows]
    off = across[rows] - axis + np.zeros_like(relief)
    inside = np.abs(off) < radius
    bulge = (radius + stand_off) * np.sqrt(np.maximum(1 - (off / radius) ** 2, 0))
    higher = inside & (bulge > relief)
    np.copyto(relief, bulge, where=higher)
    np.copyto(colour, paint, where=higher[..., None])
    under = (np.abs(off) < radius * 1.8 + 0.03) & ~inside
    colour[under] *= 0.55


def _rails(rng: np.random.Generator, across: Array, along: Array, relief: Array, colour: Array) -> None:
    gauge = float(rng.choice([0.6, 0.9]))
    middle = float(rng.uniform(-0.3, 0.3))
    sleeper = (np.abs(across - middle) < gauge * 0.85) & (along % 0.75 < 0.18)
    relief[sleeper] = np.maximum(relief[sleeper], 0.045)
    colour[sleeper] = colour[sleeper] * 0.5 + np.float32(0.02)
    rail = (np.abs(np.abs(across - middle) - gauge / 2) < 0.035) & (along >= 0)
    relief[rail] = 0.13
    colour[rail] = np.array([0.16, 0.19, 0.22], np.float32) * float(rng.uniform(0.5, 1.6))


def _belt(rng: np.random.Generator, half_width: float, across: Array, shape: tuple[int, int], relief: Array,
          colour: Array) -> tuple[float, float]:
    """A conveyor along one wall; the lane that it leaves."""
    side = int(rng.choice([-1, 1]))
    middle = side * (half_width - 0.85)
    load = np.clip(_lumps(rng, shape, 0.3, 3), -1, 2)
    off = np.abs(across - middle) + np.zeros(shape, np.float32)
    coal = off < 0.36
    flank = 0.75 * smoothstep(0.75, 0.45, off)
    colour[flank > relief] = _tinted(rng, 0.1)
    np.maximum(relief, flank, out=relief)
    relief[coal] = 0.72 + 0.05 * load[coal]
    colour[coal] = 0.03 + 0.02 * load[coal][:, None]
    free = half_width - 0.6
    return (-free, middle - 0.85) if side > 0 else (middle + 0.85, free)


def _darken_hollows(relief: Array, colour: Array) -> None:
    """Light reaches ridges and is lost in cracks."""
    around = opencv().blur(relief, (9, 17))
    colour *= np.clip(1 + 9 * (relief - around), 0.25, 1.5)[..., None]


def _sheet(relief: Array, colour: Array, reach: float) -> Sheet:
    """Edges are rounded off a little, so that rays meet slopes and not cliffs."""
    rounded = opencv().GaussianBlur(relief.astype(np.float32), (3, 5), 0)
    return Sheet(rounded, np.clip(colour, 0.005, 0.85).astype(np.float32), reach)
