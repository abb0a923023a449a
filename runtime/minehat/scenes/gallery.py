"""A gallery: an arched tunnel with rough walls and a floor, and where rays meet them.

Walls and floor are sheets: reliefs (metres into the room) and colours, sampled every TEXEL
metres. A wall sheet runs along z and around the arch, its crown in the middle row; a floor
sheet runs along z and across.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .furnish import Sheet, dressed_floor, dressed_walls
from .noise import Array

FARTHEST = 42.0  # metres; what lies beyond is dust and darkness
STEPS = 80


@dataclass(frozen=True)
class Gallery:
    """The room that is drawn. Its middle line bends aside by bend * z**2."""

    half_width: float
    spring: float  # height where the arch begins
    bend: float
    walls: Sheet
    floor: Sheet
    lane: tuple[float, float]  # where people can walk, x from the middle line

    @property
    def crown(self) -> float:
        """Height of the roof."""
        return self.spring + self.half_width

    def middle(self, z: Array) -> Array:
        """x of the middle line at z."""
        return self.bend * z * z

    def around(self, x: Array, y: Array) -> Array:
        """Metres around the arch from the crown, right positive, of points with x from the middle line."""
        above = y - self.spring
        angle = np.arctan2(x, np.maximum(above, 1e-3)) * self.half_width
        return np.asarray(angle + np.sign(x) * np.maximum(-above, 0), np.float32)

    def clearance(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """Metres left to the walls and to the floor from points inside (below 0: inside the rock)."""
        across = x - self.middle(z)
        above = np.maximum(y - self.spring, 0)
        wall = self.half_width - np.hypot(across, above) - self.walls.relief_at(self.around(across, y), z)
        return wall, y - self.floor.relief_at(across, z)


@dataclass(frozen=True)
class Surface:
    """What each ray met; arrays [h, w] float32."""

    x: Array
    y: Array
    z: Array
    is_floor: Array
    normals: tuple[Array, Array, Array]  # into the room


def surface_seen(gallery: Gallery, place: Array, rays: tuple[Array, Array, Array]) -> Surface:
    """March rays from `place` until they meet rock."""
    reach = np.full(rays[0].shape, 0.4, np.float32)
    for _ in range(STEPS):
        wall, floor = gallery.clearance(*_points(place, rays, reach))
        gap = np.minimum(wall, floor)
        reach += np.where(gap > 0, np.maximum(0.55 * gap, 0.002 * reach), gap * 0.5)
        np.minimum(reach, FARTHEST, out=reach)
    x, y, z = _points(place, rays, reach)
    wall, floor = gallery.clearance(x, y, z)
    return Surface(x, y, z, (floor < wall).astype(np.float32), _normals(gallery, x, y, z))


def build_gallery(rng: np.random.Generator) -> Gallery:
    """A gallery by chance: rock, steel arches or sprayed concrete; rails, a belt or bare mud."""
    half_width = float(rng.uniform(1.9, 2.8))
    spring = float(rng.uniform(0.9, 1.5))
    bend = float(rng.choice([-1, 1]) * rng.uniform(0.0, 0.006))
    girth = half_width * np.pi / 2 + spring
    walls = dressed_walls(rng, girth, half_width, FARTHEST)
    floor, lane = dressed_floor(rng, half_width, FARTHEST)
    return Gallery(half_width, spring, bend, walls, floor, lane)


def _points(place: Array, rays: tuple[Array, Array, Array], reach: Array) -> tuple[Array, Array, Array]:
    x, y, z = (np.float32(place[i]) + rays[i] * reach for i in range(3))
    return x, y, z


def _normals(gallery: Gallery, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    step = np.float32(0.025)
    here = np.minimum(*gallery.clearance(x, y, z))
    slopes = [np.minimum(*gallery.clearance(x + dx, y + dy, z + dz)) - here
              for dx, dy, dz in ((step, 0, 0), (0, step, 0), (0, 0, step))]
    length = np.sqrt(sum(slope * slope for slope in slopes)) + 1e-6
    return slopes[0] / length, slopes[1] / length, slopes[2] / length
