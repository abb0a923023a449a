"""A camera on the wall of a gallery: where a point of the gallery lies in the frame.

Space is in metres: x to the right, y up from the floor, z along the gallery, away from the camera.
Seen from the camera: x to the right, y down, z away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import Array


@dataclass(frozen=True)
class Camera:
    """A pinhole without distortion."""

    width: int
    height: int
    focal: float  # pixels
    place: Array  # [3] where it hangs
    axes: Array  # [3, 3] rows: its right, its down, its forward, in the gallery's space

    def project(self, points: Array) -> tuple[Array, Array]:
        """Frame pixels [n, 2] and depths [n] along the forward axis of points [n, 3]."""
        seen = (points - self.place) @ self.axes.T
        depth = np.maximum(seen[:, 2], 0.05)
        return seen[:, :2] * (self.focal / depth)[:, None] + self.middle, depth

    @property
    def middle(self) -> Array:
        """[2] the pixel on the forward axis."""
        return np.array([self.width / 2, self.height / 2])

    def rays(self, width: int, height: int) -> tuple[Array, Array, Array]:
        """Directions x, y, z (each float32 [height, width], 1 long on the forward axis) through a grid."""
        u = ((np.arange(width) + 0.5) * self.width / width - self.width / 2) / self.focal
        v = ((np.arange(height) + 0.5) * self.height / height - self.height / 2) / self.focal
        right, down, forward = self.axes
        x, y, z = (forward[i] + right[i] * u[None, :] + down[i] * v[:, None] for i in range(3))
        return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def camera_at(place: tuple[float, float, float], yaw: float, pitch: float, roll: float, view: float,
              width: int, height: int) -> Camera:
    """A camera at `place`, turned right by `yaw`, down by `pitch`, tilted by `roll` (radians).

    view: its horizontal angle of view in radians.
    """
    forward = np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    down = np.cross(right, forward)
    tilted = (np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right)
    return Camera(width, height, width / 2 / float(np.tan(view / 2)), np.array(place),
                  np.stack([*tilted, forward]))
