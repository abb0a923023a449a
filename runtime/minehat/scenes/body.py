"""From a pose to limbs in the frame: a skeleton, its clothes, and the order of drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .figure import Canvas, Cloth, blank_canvas, draw_limb
from .heads import HeadView, box_of, draw_head
from .noise import Array
from .people import Looks, Pose

_BOOT = np.array([0.035, 0.04, 0.045], np.float32)
_BELT = np.array([0.02, 0.02, 0.02], np.float32)


@dataclass(frozen=True)
class Figure:
    """One person, drawn but not yet lit."""

    canvas: Canvas
    head_box: Array  # [4] float32 x0 y0 x1 y1, frame pixels, not cut to the frame
    head_window: tuple[slice, slice]  # of the canvas
    head_mask: Array  # [h, w] bool in that window
    depth: float  # metres along the camera's forward axis
    chest: Array  # [3] metres, where the light is measured
    lamp: Array  # [3] metres, where a cap lamp sits
    lamp_aim: Array  # [3] of length 1


@dataclass(frozen=True)
class Limb:
    """A round part of the body between two points of the gallery."""

    ends: tuple[Array, Array]
    radii: tuple[float, float]  # metres
    cloth: Cloth
    shade: float = 1.0
    blunt: float = 1.0
    flat: float = 1.0  # how deep it is, front to back, for its width
    sooner: float = 0.0  # metres nearer than it is, for the order of drawing


class Frame:
    """A person's own axes: `at(right, up, forward)` is a point of the gallery, in metres."""

    def __init__(self, place: Array, heading: float) -> None:
        self.place = place
        self.forward = np.array([np.sin(heading), 0.0, np.cos(heading)])
        self.right = np.array([np.cos(heading), 0.0, -np.sin(heading)])

    def at(self, right: float, up: float, forward: float) -> Array:
        """A point of the gallery [3]."""
        return np.asarray(self.place + right * self.right + forward * self.forward + np.array([0.0, up, 0.0]))


def figure_of(looks: Looks, pose: Pose, camera: Camera, seed: int) -> Figure | None:
    """Draw somebody as the camera sees them; None where no part of the head is in the frame."""
    head, aim = _head_place(looks, pose)
    view = _head_view(head, aim, camera)
    box = box_of(looks, view)
    inside = np.minimum(box[2:], [camera.width, camera.height]) - np.maximum(box[:2], 0)
    if (inside <= 1).any():
        return None
    limbs = _limbs(looks, pose)
    points = np.stack([end for limb in limbs for end in limb.ends])
    pixels, depths = camera.project(points)
    scales = camera.focal / depths
    canvas = _canvas_for(camera, pixels, scales, box)
    head_depth = float((head - camera.place) @ camera.axes[2])
    order = sorted(range(len(limbs)), key=lambda i: -(depths[2 * i] + depths[2 * i + 1]) / 2 + limbs[i].sooner)
    before = [i for i in order if (depths[2 * i] + depths[2 * i + 1]) / 2 - limbs[i].sooner > head_depth - 0.2]
    after = [i for i in order if i not in before]
    sideways = _sideways(pose, camera)
    for i in before:
        _draw(canvas, limbs[i], pixels[2 * i:2 * i + 2], scales[2 * i:2 * i + 2], sideways, seed + i)
    drawn = draw_head(canvas, looks, view, seed)
    for i in after:
        _draw(canvas, limbs[i], pixels[2 * i:2 * i + 2], scales[2 * i:2 * i + 2], sideways, seed + i)
    if drawn is None:
        return None
    lamp = head + 0.09 * np.array([0.0, 1.0, 0.0]) + 0.16 * aim
    return Figure(canvas, box, drawn[0], drawn[1], head_depth, pose.place + np.array([0, 0.72 * looks.height, 0]),
                  lamp, aim)


def _sideways(pose: Pose, camera: Camera) -> float:
    """0 for somebody seen from the front or the back, 1 from the side."""
    way = (pose.place - camera.place)[[0, 2]]
    return abs(float(np.sin(pose.heading - np.arctan2(way[0], way[1]))))


def _draw(canvas: Canvas, limb: Limb, pixels: Array, scales: Array, sideways: float, seed: int) -> None:
    width = 1 - (1 - limb.flat) * sideways
    radii = (float(limb.radii[0] * scales[0] * width), float(limb.radii[1] * scales[1] * width))
    draw_limb(canvas, pixels, radii, limb.cloth, seed, limb.shade, limb.blunt)


def _canvas_for(camera: Camera, pixels: Array, scales: Array, box: Array) -> Canvas:
    room = 0.22 * float(scales.max())
    low = np.minimum(pixels.min(axis=0) - room, box[:2] - 2)
    high = np.maximum(pixels.max(axis=0) + room, box[2:] + 2)
    left, top = (max(int(side), 0) for side in low)
    return blank_canvas(left, top, min(int(high[0]) + 1, camera.width), min(int(high[1]) + 1, camera.height))


def _head_place(looks: Looks, pose: Pose) -> tuple[Array, Array]:
    """The middle of the skull, and where the face looks."""
    turn = pose.heading + pose.look
    aim = np.array([np.sin(turn) * np.cos(pose.nod), -np.sin(pose.nod), np.cos(turn) * np.cos(pose.nod)])
    bob = 0.015 * pose.swing * float(np.cos(2 * pose.step))
    body = Frame(pose.place, pose.heading)
    return body.at(0, looks.height - 0.135 + bob, 0.05 + 0.06 * pose.arms), aim


def _head_view(head: Array, aim: Array, camera: Camera) -> HeadView:
    sideways = np.array([aim[2], 0.0, -aim[0]])
    sideways /= np.linalg.norm(sideways)
    axes = np.stack([sideways, np.cross(aim, sideways), aim])
    way = head - camera.place
    near = -way / np.linalg.norm(way)
    right = camera.axes[0] - near * float(camera.axes[0] @ near)
    right /= np.linalg.norm(right)
    up = np.cross(right, near)
    up *= np.sign(-float(up @ camera.axes[1]))
    middle, depth = camera.project(head[None])
    return HeadView(middle[0], camera.focal / float(depth[0]), axes @ right, axes @ up, axes @ near)


def _limbs(looks: Looks, pose: Pose) -> list[Limb]:
    body = Frame(pose.place, pose.heading)
    return [*_legs(looks, pose, body), *_trunk(looks, pose, body), *_arms(looks, pose, body)]


def _legs(looks: Looks, pose: Pose, body: Frame) -> list[Limb]:
    tall, stout = looks.height, looks.stout
    bands = ((0.15, 0.26),) if looks.has_stripes else ()
    limbs = []
    for side in (-1, 1):
        swing = 0.48 * pose.swing * np.sin(pose.step + (side > 0) * np.pi)
        bend = 0.12 + 0.75 * pose.swing * max(0.0, float(np.cos(pose.step + (side > 0) * np.pi)))
        wide = 0.09 * stout + 0.06 * (1 - pose.swing)
        hip = (0.09 * stout, 0.52 * tall, 0.0)
        knee = (wide, hip[1] - 0.24 * tall * np.cos(swing + 0.06), 0.24 * tall * np.sin(swing + 0.06))
        ankle = (wide, knee[1] - 0.235 * tall * np.cos(swing - bend), knee[2] + 0.235 * tall * np.sin(swing - bend))
        lift = max(0.0, 0.06 - ankle[1])
        points = [body.at(side * right, up + lift, forward) for right, up, forward in (hip, knee, ankle)]
        toe = body.at(side * wide * 1.25, max(ankle[1] + lift - 0.035, 0.04), ankle[2] + 0.17)
        limbs += [
            Limb((points[0], points[1]), (0.105 * stout, 0.082), Cloth(looks.trousers, 0.8), 0.9),
            Limb((points[1], points[2]), (0.08, 0.066), Cloth(looks.trousers, 0.8, bands, (0.5, _BOOT)), 0.85),
            Limb((points[2], toe), (0.066, 0.05), Cloth(_BOOT, 0.2), 0.8)]
    return limbs


def _trunk(looks: Looks, pose: Pose, body: Frame) -> list[Limb]:
    tall, stout = looks.height, looks.stout
    lean = 0.02 + 0.07 * pose.arms
    torso = Cloth(looks.jacket if looks.vest is None else looks.vest, 0.8,
                  ((0.28, 0.36), (0.6, 0.68)) if looks.has_stripes else ())
    hem, chest = body.at(0, 0.50 * tall, 0), body.at(0, 0.765 * tall, lean)
    collar = body.at(0, 0.835 * tall, lean)
    plain = Cloth(torso.colour, 0.6)
    limbs = [
        Limb((body.at(0, 0.49 * tall, -0.01), body.at(0, 0.55 * tall, 0)), (0.152 * stout, 0.145 * stout),
             Cloth(looks.trousers), 0.8, 1.8, 0.8),
        Limb((hem, chest), (0.158 * stout, 0.186 * stout), torso, 1.0, 3.2, 0.68, 0.03),
        Limb((body.at(-0.13 * stout, 0.566 * tall, 0), body.at(0.13 * stout, 0.566 * tall, 0)),
             (0.026, 0.026), Cloth(_BELT, 0.2), sooner=0.17),
        Limb((body.at(0.15 * stout, 0.58 * tall, -0.07), body.at(0.15 * stout, 0.52 * tall, -0.07)),
             (0.05, 0.05), Cloth(_BELT, 0.2), 1.0, 1.8, sooner=0.03),
        Limb((collar, body.at(0, 0.885 * tall, 0.03)), (0.062, 0.055), Cloth(looks.skin, 0.2), 0.5, sooner=-0.09),
        Limb((body.at(0, 0.83 * tall, lean - 0.01), body.at(0, 0.85 * tall, lean)), (0.095, 0.08),
             Cloth(looks.jacket, 0.6), 0.75, 1.5, sooner=-0.07)]
    for side in (-1, 1):
        shoulder = body.at(side * 0.165 * stout, 0.795 * tall, lean)
        limbs.append(Limb((body.at(0.03 * side, 0.815 * tall, lean), shoulder), (0.062, 0.064), plain, sooner=-0.06))
    return limbs


def _arms(looks: Looks, pose: Pose, body: Frame) -> list[Limb]:
    tall, stout = looks.height, looks.stout
    sleeve = Cloth(looks.jacket, 0.8, ((0.55, 0.7),) if looks.has_stripes else ())
    limbs = []
    for side in (-1, 1):
        walk = 0.45 * pose.swing * float(np.sin(pose.step + (side < 0) * np.pi))
        lift = walk + pose.arms * (1.0 if side > 0 else 0.7)
        fold = 0.3 + 0.25 * pose.swing + 0.6 * pose.arms
        shoulder = (0.178 * stout, 0.79 * tall, 0.03)
        elbow = (0.222 * stout, shoulder[1] - 0.165 * tall * np.cos(lift), 0.03 + 0.165 * tall * np.sin(lift))
        hand = (0.2 * stout - 0.1 * pose.arms, elbow[1] - 0.145 * tall * np.cos(lift + fold),
                elbow[2] + 0.145 * tall * np.sin(lift + fold))
        points = [body.at(side * right, up, forward) for right, up, forward in (shoulder, elbow, hand)]
        tip = points[2] + (points[2] - points[1]) * 0.3
        limbs += [Limb((points[0], points[1]), (0.063 * stout, 0.052), sleeve, 0.95),
                  Limb((points[1], points[2]), (0.054, 0.044), Cloth(looks.jacket, 0.8), 0.9),
                  Limb((points[2], tip), (0.04, 0.032), Cloth(looks.skin * 0.6, 0.2), 0.9)]
    return limbs
