"""People on the backdrop: who is where, what light they carry, and which heads can be seen.

Whose head gets a box: the box spans the whole head with what is worn on it, also the part
that somebody nearer hides, cut to the frame. A head has no box where less than SEEN_SHARE of
its pixels is seen (people, rock and the frame's edge hide the rest), or where the
box's shorter side is below SMALLEST pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .backdrop import COARSE, Backdrop
from .body import Figure, figure_of
from .guests import opencv
from .light import Lamp
from .noise import Array
from .people import Walker
from .shade import lit

SEEN_SHARE = 0.4
SMALLEST = 8.0
NEAREST = 1.6  # metres along the gallery from the camera to the nearest people
SHUTTER = 1 / 40  # seconds
CAP_LAMP = np.array([1.0, 0.98, 0.92])  # BGR, times its strength


@dataclass(frozen=True)
class SceneFrame:
    """A drawn frame and what is in it. Row i of every column is the same person's head."""

    frame: Array  # [h, w, 3] uint8 BGR
    boxes: Array  # [n, 4] float32 x0 y0 x1 y1, pixels of the frame
    labels: Array  # [n] int64: 0 helmet, 1 head
    identities: Array  # [n] int64, the same for somebody along the film, from 1
    seconds: float  # since the film began


@dataclass(frozen=True)
class Present:
    """A walker as drawn in this frame."""

    walker: Walker
    figure: Figure
    drift: float  # pixels that they move sideways while the shutter is open


def people_on(backdrop: Backdrop, walkers: Sequence[Walker], seconds: float) -> list[Present]:
    """The walkers of whom the camera sees something, the farthest first."""
    found = []
    for walker in walkers:
        bend, camera = backdrop.gallery.bend, backdrop.camera
        pose = walker.pose(seconds, bend)
        figure = figure_of(walker.looks, pose, camera, walker.identity)
        if figure is not None:
            moved = walker.pose(seconds + SHUTTER, bend).place - pose.place
            drift = float(camera.axes[0] @ moved) * camera.focal / figure.depth
            found.append(Present(walker, figure, abs(drift)))
    return sorted(found, key=lambda one: -one.figure.depth)


def light_of(backdrop: Backdrop, present: Sequence[Present]) -> Array:
    """The linear light [h, w, 3] float32 of the whole scene before the sensor."""
    carried = {one.walker.identity: _cap_lamp(backdrop, one) for one in present if one.walker.looks.has_lamp}
    scene = backdrop.still.copy()
    _shine(scene, backdrop, list(carried.values()))
    for one in present:
        others = [lamp for identity, lamp in carried.items() if identity != one.walker.identity]
        _stand(scene, backdrop, one, [*_strongest(backdrop.lamps, one.figure.chest), *others])
    _glare(scene, backdrop, [(one, carried[one.walker.identity]) for one in present
                             if one.walker.identity in carried])
    return scene


def heads_seen(backdrop: Backdrop, present: Sequence[Present]) -> tuple[Array, Array, Array]:
    """Boxes [n, 4] float32, labels [n] and identities [n] int64 of the heads that can be seen."""
    height, width = backdrop.depth.shape
    owner = np.zeros((height, width), np.int32)
    for row, one in enumerate(present, 1):
        canvas = one.figure.canvas
        window = _frame_window(one.figure)
        solid = (canvas.cover > 0.5) & (backdrop.depth[window] > one.figure.depth - 0.3)
        owner[window][solid] = row
    boxes, labels, identities = [], [], []
    for row, one in enumerate(present, 1):
        box = np.clip(one.figure.head_box, 0, [width, height, width, height]).astype(np.float32)
        if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST and _share_seen(owner, one.figure, row) >= SEEN_SHARE:
            boxes.append(box)
            labels.append(one.walker.looks.label)
            identities.append(one.walker.identity)
    return (np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64), np.array(identities, np.int64))


def _share_seen(owner: Array, figure: Figure, row: int) -> float:
    """How much of the whole head is this person's in the frame."""
    window = _frame_window(figure)
    seen = (owner[window][figure.head_window] == row) & figure.head_mask
    whole, height, width = figure.head_box, *owner.shape
    inside = np.clip(whole, 0, [width, height, width, height])
    in_frame = float(np.prod(inside[2:] - inside[:2]) / np.prod(whole[2:] - whole[:2]))
    return float(seen.sum()) / max(float(figure.head_mask.sum()), 1.0) * in_frame


def _frame_window(figure: Figure) -> tuple[slice, slice]:
    height, width = figure.canvas.cover.shape
    return (slice(figure.canvas.top, figure.canvas.top + height),
            slice(figure.canvas.left, figure.canvas.left + width))


def _cap_lamp(backdrop: Backdrop, one: Present) -> Lamp:
    """As bright against the gallery's own light as the walker's lamp happens to be."""
    strength = 1.5 + 1.2 * float(np.sin(one.walker.rhythm[2]))
    level = float(np.mean([lamp.colour.mean() for lamp in backdrop.lamps]))
    aim = one.figure.lamp_aim + np.array([0, -0.1, 0])
    return Lamp(one.figure.lamp, CAP_LAMP * strength * max(level, 0.5) * 2.0, aim / np.linalg.norm(aim), 0.3)


def _strongest(lamps: Sequence[Lamp], point: Array, most: int = 4) -> list[Lamp]:
    return sorted(lamps, key=lambda lamp: -float(lamp.at(point)[0].sum()))[:most]


def _shine(scene: Array, backdrop: Backdrop, lamps: Sequence[Lamp]) -> None:
    """Pools of light that cap lamps throw on rock and floor."""
    if not lamps:
        return
    coarse = backdrop.coarse
    light = np.zeros((*coarse.z.shape, 3), np.float32)
    for lamp in lamps:
        falls = lamp.light_on(coarse.x, coarse.y, coarse.z, coarse.normals)
        light += falls[..., None] * lamp.colour.astype(np.float32)
    cv2 = opencv()
    height, width = scene.shape[:2]
    lit_rows = np.flatnonzero(light.max(axis=(1, 2)) > 0.02)
    if not len(lit_rows):
        return
    rows = slice(lit_rows[0] * COARSE, min((lit_rows[-1] + 1) * COARSE, height))
    columns = light.shape[1] * COARSE
    grown = cv2.resize(light[lit_rows[0]:lit_rows[-1] + 1], (columns, (lit_rows[-1] + 1 - lit_rows[0]) * COARSE),
                       interpolation=cv2.INTER_LINEAR)[:rows.stop - rows.start, :width]
    scene[rows] += cv2.multiply(backdrop.answer[rows], grown)


def _stand(scene: Array, backdrop: Backdrop, one: Present, lamps: Sequence[Lamp]) -> None:
    """Draw one lit person over what is behind, through the dust in front."""
    cv2 = opencv()
    figure, window = one.figure, _frame_window(one.figure)
    _tread(scene, backdrop, one)
    own_light = np.full(3, 4.0 + 30.0 * max(0.0, _towards(backdrop, figure)) ** 4)
    light = lit(figure.canvas, figure.chest, backdrop.camera, lamps, own_light)
    clear = float(backdrop.air.clear(figure.depth))
    middle = (window[0].start + window[0].stop) // 2, (window[1].start + window[1].stop) // 2
    corner = float(backdrop.corners[min(middle[0], scene.shape[0] - 1), min(middle[1], scene.shape[1] - 1)])
    light = cv2.transform(light, (backdrop.colours.T * clear * corner).astype(np.float32))
    cover = np.where(backdrop.depth[window] > figure.depth - 0.3, figure.canvas.cover, 0).astype(np.float32)
    light *= cover[..., None]
    if one.drift > 1.2:
        size = (int(one.drift + 0.8), 1)
        light, cover = cv2.blur(light, size), cv2.blur(cover, size)
    behind = scene[window]
    behind *= 1 - cover[..., None] * np.float32(1 - 0.5 * (1 - clear))
    behind += light


def _tread(scene: Array, backdrop: Backdrop, one: Present) -> None:
    """The shade that somebody throws on the floor around their feet."""
    feet = one.figure.chest * np.array([1, 0, 1]) + np.array([0, 0.03, 0])
    middle, depth = backdrop.camera.project(feet[None])
    wide = 0.5 * backdrop.camera.focal / float(depth[0])
    high = max(wide * 0.35, 2.0)
    x0, x1 = max(int(middle[0, 0] - 2 * wide), 0), min(int(middle[0, 0] + 2 * wide), scene.shape[1])
    y0, y1 = max(int(middle[0, 1] - 2 * high), 0), min(int(middle[0, 1] + 2 * high), scene.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    x = (np.arange(x0, x1, dtype=np.float32) - np.float32(middle[0, 0])) / np.float32(wide)
    y = (np.arange(y0, y1, dtype=np.float32) - np.float32(middle[0, 1])) / np.float32(high)
    shade = np.exp(-2 * (x[None, :] ** 2 + y[:, None] ** 2))
    scene[y0:y1, x0:x1] *= 1 - np.float32(0.6) * shade[..., None]


def _towards(backdrop: Backdrop, figure: Figure) -> float:
    """Cosine between the lamp's beam and the way to the camera."""
    way = backdrop.camera.place - figure.lamp
    return float(figure.lamp_aim @ way / np.linalg.norm(way))


def _glare(scene: Array, backdrop: Backdrop, carried: Sequence[tuple[Present, Lamp]]) -> None:
    """Halos around lamps that look into the lens, and beams in the dust."""
    for one, lamp in carried:
        figure = one.figure
        pixels, depths = backdrop.camera.project(np.stack([lamp.place]))
        x, y = (int(side) for side in pixels[0])
        hidden = not (0 <= x < scene.shape[1] and 0 <= y < scene.shape[0]) or backdrop.depth[y, x] < depths[0]
        towards = _towards(backdrop, figure)
        if not hidden and towards > 0:
            head = float(np.max(figure.head_box[2:] - figure.head_box[:2]))
            halo = (8 + 1.1 * head) * (1 + 9 * backdrop.air.density) * (0.3 + towards**4)
            _add_halo(scene, x, y, halo, 0.3 + 2.2 * towards**8, CAP_LAMP)


_HALO: list[Array] = []


def _add_halo(scene: Array, x: int, y: int, reach: float, strength: float, colour: Array) -> None:
    """A glow of that reach in pixels around frame pixel x y, with short streaks."""
    cv2 = opencv()
    if not _HALO:
        ramp = np.linspace(-1, 1, 129, dtype=np.float32)
        across, down = np.meshgrid(ramp, ramp)
        off = np.hypot(across, down)
        streaks = np.exp(-np.abs(across * down) * 900) * np.maximum(1 - off * 1.6, 0) ** 2 * 0.25
        _HALO.append((0.02 / (off * off + 0.02) * np.maximum(1 - off, 0) ** 2 + streaks).astype(np.float32))
    side = max(int(reach), 3)
    halo = cv2.resize(_HALO[0], (2 * side + 1, 2 * side + 1), interpolation=cv2.INTER_AREA)
    top, left = max(y - side, 0), max(x - side, 0)
    bottom, right = min(y + side + 1, scene.shape[0]), min(x + side + 1, scene.shape[1])
    part = halo[top - y + side:bottom - y + side, left - x + side:right - x + side]
    scene[top:bottom, left:right] += part[..., None] * (strength * colour).astype(np.float32)
