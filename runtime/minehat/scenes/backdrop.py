"""The still part of a scene: the lit gallery without people, computed once a film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .camera import Camera, camera_at
from .gallery import FARTHEST, Gallery, Surface, build_gallery, surface_seen
from .guests import opencv
from .light import Air, Lamp, camera_lamp, wall_lamps
from .noise import Array, cloud, stream

COARSE = 8  # pixels of the frame a pixel of the grid on which moving lamps are computed


@dataclass(frozen=True)
class Backdrop:
    """All that does not change in a film. Brightness is linear BGR, exposed: 1 is white."""

    gallery: Gallery
    camera: Camera
    lamps: list[Lamp]  # exposed, as are the frames
    air: Air
    colours: Array  # [3, 3] that BGR rows of light are multiplied with to become the camera's
    still: Array  # [h, w, 3] float32, the empty gallery
    answer: Array  # [h, w, 3] float32, how much of a moving lamp's light comes back to the camera
    depth: Array  # [h, w] float32 metres along the camera's forward axis
    coarse: Surface  # the surface on a grid COARSE times smaller
    corners: Array  # [h, w] float32, what the lens leaves of the light (1 in the middle)

    @property
    def sight(self) -> float:
        """Metres after which people are lost in the dust."""
        return float(min(26.0, 2.3 / self.air.density))


def build_backdrop(seed: int, width: int, height: int) -> Backdrop:
    """A gallery by chance, with a camera in it; the same for the same arguments."""
    cv2 = opencv()
    rng = stream(seed, 1)
    gallery = build_gallery(rng)
    camera = _hung_camera(rng, gallery, width, height)
    air = Air(float(rng.choice([0.012, 0.03, 0.06, 0.11]) * rng.uniform(0.8, 1.2)),
              np.array([1.0, 1.0, 1.0]) * rng.uniform(0.4, 1.0))
    lamps = [camera_lamp(rng, camera.place, camera.axes[2]),
             *wall_lamps(rng, gallery.half_width, gallery.spring, gallery.bend)]
    target = float(rng.uniform(0.19, 0.36))
    colours = _colour_sense(rng)
    grain = stream(seed, 2)

    surface = surface_seen(gallery, camera.place, camera.rays(width // 2, height // 2))
    light = _light(surface, lamps) * _contact(gallery, surface)[..., None]
    albedo = _albedo(gallery, surface, width, height, grain)
    depth = _grown(_depth(camera, surface), width, height)
    distance = _grown(_distance(camera, surface), width, height)
    corners = _corners(rng, width, height)
    clear = air.clear(distance) * corners
    lit = albedo * _grown(light, width, height) * clear[..., None]
    lit += _grown(_dust(camera, surface, lamps, air), width, height) * corners[..., None]
    lit = cv2.transform(lit, colours.T)
    exposure = _exposure(lit, target)
    bright = [Lamp(lamp.place, lamp.colour * exposure, lamp.aim, lamp.spread) for lamp in lamps]
    coarse = surface_seen(gallery, camera.place, camera.rays(-(-width // COARSE), -(-height // COARSE)))
    answer = cv2.transform(albedo * clear[..., None], colours.T)
    return Backdrop(gallery, camera, bright, air, colours, lit * np.float32(exposure), answer, depth, coarse, corners)


def _hung_camera(rng: np.random.Generator, gallery: Gallery, width: int, height: int) -> Camera:
    """Under the roof or on a wall, looking along the gallery and somewhat down."""
    across = gallery.half_width * float(rng.uniform(-0.6, 0.6))
    room = gallery.spring + float(np.sqrt(gallery.half_width**2 - across**2))
    up = min(room - 0.6, float(rng.uniform(1.7, 3.2)))
    yaw = float(rng.uniform(-0.12, 0.12)) - 0.09 * across + 12 * gallery.bend
    return camera_at((across, up, 0.0), yaw, float(rng.uniform(0.03, 0.13)) * up, float(rng.normal(0, 0.02)),
                     float(rng.uniform(0.9, 1.45)), width, height)


def _colour_sense(rng: np.random.Generator) -> Array:
    """[3, 3] that BGR rows are multiplied with: pale to strong colours, and a cast."""
    strength = float(rng.choice([0.0, 0.35, 0.75, 1.1], p=[0.12, 0.28, 0.4, 0.2]))
    grey = np.array([0.12, 0.59, 0.29])[:, None] * np.ones((1, 3))
    cast = np.exp(rng.normal(0, 0.045, 3)) if strength else np.ones(3)
    return np.asarray((strength * np.eye(3) + (1 - strength) * grey) * cast, np.float32)


def _light(surface: Surface, lamps: Sequence[Lamp]) -> Array:
    """Light [h, w, 3] that falls on each point of the surface, from lamps and from all the rock around."""
    light = np.zeros((*surface.z.shape, 3), np.float32)
    for lamp in lamps:
        falls = lamp.light_on(surface.x, surface.y, surface.z, surface.normals)
        light += falls[..., None] * lamp.colour.astype(np.float32)
        far = (surface.z - np.float32(lamp.place[2])) / np.float32(7)
        light += np.exp(-far * far)[..., None] * (0.011 * lamp.colour).astype(np.float32)
    return light + np.float32(0.004)


def _contact(gallery: Gallery, surface: Surface) -> Array:
    """Little light reaches the corner between wall and floor."""
    wall, floor = gallery.clearance(surface.x, surface.y, surface.z)
    return np.clip(0.35 + 1.6 * np.maximum(wall, floor), 0, 1)


def _albedo(gallery: Gallery, surface: Surface, width: int, height: int, rng: np.random.Generator) -> Array:
    """What the rock gives back of the light, [height, width, 3], with grain finer than the sheets."""
    x, y, z, is_floor = (_grown(part, width, height)
                         for part in (surface.x, surface.y, surface.z, surface.is_floor))
    across = x - gallery.middle(z)
    around = gallery.around(across, y)
    colour = gallery.walls.colour_at(around, z)
    colour += (gallery.floor.colour_at(across, z) - colour) * (is_floor > 0.5)[..., None]
    tile = cloud(rng, (1024, 1024), 24, 5, fade=0.8)
    fine = opencv().remap(tile, _wrapped(np.where(is_floor > 0.5, across, around)), _wrapped(z),
                          opencv().INTER_LINEAR)
    strength = 0.34 / (1 + (z / 8) ** 2)
    return np.asarray(np.clip(colour * (1 + strength * fine)[..., None], 0.004, 0.9), np.float32)


def _wrapped(metres: Array) -> Array:
    """Columns of a tile of 1024 pixels of 4 mm, there and back so that it has no seam."""
    along = np.abs(metres * np.float32(250)) % 2046
    return np.asarray(1023 - np.abs(1023 - along), np.float32)


def _depth(camera: Camera, surface: Surface) -> Array:
    forward, place = camera.axes[2].astype(np.float32), camera.place.astype(np.float32)
    depth = ((surface.x - place[0]) * forward[0] + (surface.y - place[1]) * forward[1]
             + (surface.z - place[2]) * forward[2])
    return np.where(_distance(camera, surface) > FARTHEST * 0.97, np.float32(1000), depth)


def _distance(camera: Camera, surface: Surface) -> Array:
    place = camera.place.astype(np.float32)
    squared = (surface.x - place[0]) ** 2 + (surface.y - place[1]) ** 2 + (surface.z - place[2]) ** 2
    return np.asarray(np.sqrt(squared), np.float32)


def _dust(camera: Camera, surface: Surface, lamps: Sequence[Lamp], air: Air) -> Array:
    """Light [h, w, 3] from lit dust between camera and rock, and from the lamps themselves."""
    distance = _distance(camera, surface)
    rays = tuple(part / distance for part in (surface.x - np.float32(camera.place[0]),
                                              surface.y - np.float32(camera.place[1]),
                                              surface.z - np.float32(camera.place[2])))
    total = (1 - air.clear(distance))[..., None] * (0.012 * air.colour).astype(np.float32)
    for lamp in lamps:
        away = float(np.linalg.norm(lamp.place - camera.place))
        share = 0.05 if lamp.aim is not None else float(air.clear(away))
        glow = lamp.lit_dust(camera.place, (rays[0], rays[1], rays[2]), distance)
        total += (glow * np.float32(air.density * share))[..., None] * (lamp.colour * air.colour).astype(np.float32)
    return np.asarray(total, np.float32)


def _corners(rng: np.random.Generator, width: int, height: int) -> Array:
    x = (np.arange(width, dtype=np.float32) - width / 2) / (width / 2)
    y = (np.arange(height, dtype=np.float32) - height / 2) / (width / 2)
    strength = float(rng.uniform(0.15, 0.6))
    return np.asarray(1 / (1 + strength * (x[None, :] ** 2 + y[:, None] ** 2)) ** 2, np.float32)


def _exposure(lit: Array, target: float) -> float:
    """The factor that makes the mean of the shown frame (square roots, cut at 1) the target."""
    sparse = lit[::6, ::6]
    low, high = 1e-3, 1e4
    for _ in range(30):
        middle = (low * high) ** 0.5
        shown = float(np.sqrt(np.clip(sparse * middle, 0, 1)).mean())
        low, high = (middle, high) if shown < target else (low, middle)
    return low


def _grown(picture: Array, width: int, height: int) -> Array:
    grown: Array = opencv().resize(picture, (width, height), interpolation=opencv().INTER_LINEAR)
    return grown
