"""How heads move: a Kalman filter of boxes, in shares of the frame's sides and in seconds.

Place and speed of a box's middle, width and height, each by itself. All noise is told in sizes of the box, so that
near and far heads, and pictures of any shape, are alike to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LEAST = 1e-6  # of a box's side
SEEN_NOISE = 0.05  # of a measured place, sizes
SPEED = np.array([3.0, 3.0, 0.5, 0.5])  # how quick somebody may be who has just come into view, sizes a second
CHANGE = np.array([1.0, 1.0, 0.5, 0.5])  # how quickly that changes, sizes a second in a second


@dataclass(frozen=True)
class Motion:
    """Row i of every array is one head; columns are middle x, middle y, width, height."""

    places: Array  # [n, 4] float64, shares
    speeds: Array  # [n, 4] shares a second
    unsure: Array  # [n, 4, 3] variances of place, of place with speed, of speed

    def __getitem__(self, rows: Any) -> Motion:
        return Motion(self.places[rows], self.speeds[rows], self.unsure[rows])

    def joined(self, others: Motion) -> Motion:
        """These rows, and the others' after them."""
        return Motion(np.concatenate([self.places, others.places]), np.concatenate([self.speeds, others.speeds]),
                      np.concatenate([self.unsure, others.unsure]))

    def doubt(self) -> Array:
        """[n]: how unsure the places of the middles are, a standard deviation in sizes of the heads."""
        return np.asarray(np.sqrt((self.unsure[:, :2, 0] / self.places[:, 2:] ** 2).max(axis=1)))

    def boxes(self) -> Array:
        """[n, 4] x0 y0 x1 y1."""
        half = self.places[:, 2:] / 2
        return np.concatenate([self.places[:, :2] - half, self.places[:, :2] + half], axis=1)


def at_first_sight(boxes: Array) -> Motion:
    """Heads that stand in boxes [n, 4] x0 y0 x1 y1, nobody knows how quick."""
    places = _measured(boxes)
    sizes = _sizes(places)
    nothing = np.zeros_like(sizes)
    unsure = np.stack([(SEEN_NOISE * sizes) ** 2, nothing, (SPEED * sizes) ** 2], axis=2)
    return Motion(places, nothing, unsure)


def moved(motion: Motion, seconds: float) -> Motion:
    """Where they should be after so long."""
    place, both, speed = (motion.unsure[:, :, part] for part in range(3))
    noise = (CHANGE * _sizes(motion.places)) ** 2 * seconds
    unsure = np.stack([place + 2 * seconds * both + seconds**2 * speed + noise * seconds**2 / 3,
                       both + seconds * speed + noise * seconds / 2, speed + noise], axis=2)
    places = motion.places + seconds * motion.speeds
    places[:, 2:] = np.maximum(places[:, 2:], LEAST)
    return Motion(places, motion.speeds, unsure)


def corrected(motion: Motion, boxes: Array) -> Motion:
    """The same after row i was seen in boxes[i], [n, 4] x0 y0 x1 y1."""
    measured = _measured(boxes)
    place, both, speed = (motion.unsure[:, :, part] for part in range(3))
    total = place + (SEEN_NOISE * _sizes(measured)) ** 2
    gain, gain_of_speed = place / total, both / total
    off = measured - motion.places
    unsure = np.stack([(1 - gain) * place, (1 - gain) * both, speed - gain_of_speed * both], axis=2)
    places = motion.places + gain * off
    places[:, 2:] = np.maximum(places[:, 2:], LEAST)
    return Motion(places, motion.speeds + gain_of_speed * off, unsure)


def _measured(boxes: Array) -> Array:
    boxes = boxes.astype(np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], LEAST)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, sides], axis=1)


def _sizes(places: Array) -> Array:
    """[n, 4] width, height, width, height."""
    return places[:, [2, 3, 2, 3]]
