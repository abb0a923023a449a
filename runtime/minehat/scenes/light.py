"""Lamps and dust: what light falls where, and how much of it the dust leaves.

Brightness is linear, BGR, and 1 is white in the frame (the frame shows its square root).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import Array

BEND_REACH = 9.0  # metres along the gallery after which a lamp on the wall is hidden by its ribs and bends


@dataclass(frozen=True)
class Lamp:
    """A lamp that shines all round, or, with `aim`, in a cone."""

    place: Array  # [3] metres
    colour: Array  # [3] BGR, the light at a distance of one metre
    aim: Array | None = None  # [3] of length 1
    spread: float = 0.35  # of the cone, radians from its middle to where it fades

    def light_on(self, x: Array, y: Array, z: Array, normals: tuple[Array, Array, Array]) -> Array:
        """How much of `colour` falls on points with those normals; same shape as x, float32."""
        px, py, pz = self.place.astype(np.float32)
        dx, dy, dz = px - x, py - y, pz - z
        squared = dx * dx + dy * dy + dz * dz + np.float32(0.05)
        distance = np.sqrt(squared)
        facing = (normals[0] * dx + normals[1] * dy + normals[2] * dz) / distance
        light = np.clip(0.12 + 0.88 * facing, 0, 1) / (squared + np.float32(0.25))
        if self.aim is None:
            return np.asarray(light * np.exp(-(dz / BEND_REACH) ** 2), np.float32)
        return np.asarray(light * self._in_cone(dx / distance, dy / distance, dz / distance), np.float32)

    def at(self, point: Array) -> tuple[Array, Array]:
        """Light [3] BGR at a point, and the direction [3] from which it comes."""
        way = self.place - point
        distance = float(np.linalg.norm(way)) + 1e-6
        way = way / distance
        share = 1 / (distance * distance + 0.3)
        if self.aim is None:
            share *= float(np.exp(-(distance / BEND_REACH) ** 2))
        else:
            share *= float(self._in_cone(way[0], way[1], way[2]))
        return self.colour * share, way

    def lit_dust(self, place: Array, rays: tuple[Array, Array, Array], reach: Array) -> Array:
        """How much of `colour` the dust of density 1 throws back along rays of length 1 from `place`.

        reach: metres to where each ray ends. Single scattering, even all round: the integral of
        1 / distance**2 along the ray, which has a closed form.
        """
        px, py, pz = (self.place - place).astype(np.float32)
        nearest = px * rays[0] + py * rays[1] + pz * rays[2]
        aside = np.sqrt(np.maximum(px * px + py * py + pz * pz - nearest * nearest, np.float32(0.006)))
        integral = (np.arctan((reach - nearest) / aside) + np.arctan(nearest / aside)) / aside
        return np.asarray(integral / (4 * np.pi), np.float32)

    def _in_cone(self, wx: Array, wy: Array, wz: Array) -> Array:
        assert self.aim is not None
        ax, ay, az = self.aim.astype(np.float32)
        cosine = -(wx * ax + wy * ay + wz * az)
        angle = np.sqrt(np.maximum(2 - 2 * cosine, 0))  # near enough to the angle
        return np.asarray(np.exp(-(angle / np.float32(self.spread)) ** 2) + 0.03 * (cosine > 0), np.float32)


@dataclass(frozen=True)
class Air:
    """Dust in the air."""

    density: float  # per metre
    colour: Array  # [3] BGR of lit dust

    def clear(self, distance: Array | float) -> Array:
        """The share of light that passes through that many metres."""
        return np.asarray(np.exp(np.float32(-self.density) * distance), np.float32)


def wall_lamps(rng: np.random.Generator, half_width: float, spring: float, bend: float) -> list[Lamp]:
    """Lamps along the gallery, some of them dead; now and then none but far ones."""
    pace = float(rng.uniform(5, 11))
    height = spring + float(rng.uniform(0.45, 0.85)) * half_width
    side = float(rng.choice([-0.75, -0.4, 0.0, 0.4, 0.75])) * half_width
    side *= 0.7 if height > spring + 0.7 * half_width else 1.0
    warmth = float(rng.uniform(-0.15, 0.45))
    tone = np.array([1 - warmth, 1 - 0.25 * max(warmth, 0), 1 + 0.1 * warmth])
    lamps = []
    for z in np.arange(float(rng.uniform(2, pace)), 40, pace):
        bright = float(rng.uniform(0.6, 1.3)) * float(rng.random() > 0.25)
        lamps.append(Lamp(np.array([bend * z * z + side, height, z]), tone * bright))
    return lamps


def camera_lamp(rng: np.random.Generator, place: Array, forward: Array) -> Lamp:
    """The light that many cameras carry; weak or strong."""
    strength = float(rng.choice([0.15, 1.2, 3.5], p=[0.45, 0.35, 0.2]))
    aim = forward + np.array([0, -0.12, 0])
    return Lamp(place + np.array([0.1, 0.2, 0.0]), np.array([1.0, 1.0, 0.96]) * strength,
                aim / np.linalg.norm(aim), float(rng.uniform(0.45, 0.8)))
