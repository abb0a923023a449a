"""Zones of the picture: who stands where, without dithering at the border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..config.schema import RulesChange, RulesPart, ZonePart
from .motion import Array

BORDER = 0.5  # sizes of a head by which somebody must have stepped out before they are out
WHOLE = ""  # the zone that is the whole picture


@dataclass(frozen=True)
class Zone:
    """A polygon, what holds in it, and the rules there."""

    name: str
    rule: str  # helmet, ignore, no_entry
    count: bool
    rules: RulesPart
    points: Array  # [m, 2] float64, shares of the frame's sides; none for the whole picture


def zones_of(parts: Sequence[ZonePart], rules: RulesPart) -> tuple[Zone, ...]:
    """The zones of a camera. Where none asks for helmets, the whole picture does, less what is ignored."""
    zones = [Zone(one.name, one.rule, one.count, changed(rules, one.rules), np.array(one.points, np.float64))
             for one in parts]
    if not any(zone.rule == "helmet" for zone in zones):
        zones.append(Zone(WHOLE, "helmet", False, rules, np.zeros((0, 2))))
    return tuple(zones)


def changed(rules: RulesPart, change: RulesChange) -> RulesPart:
    """The rules, with those that the change names as it says."""
    return rules.model_copy(update=change.model_dump(exclude_none=True))


def feet(boxes: Array) -> Array:
    """Where heads are, [n, 2]: the middles of the lower edges of boxes [n, 4]."""
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)


def standing(zone: Zone, boxes: Array, before: Array) -> Array:
    """[n] bool: whose heads are in the zone. boxes: [n, 4] shares. before: [n] bool, who was there a frame ago.

    Who was there stays until they are BORDER sizes of their own head outside.
    """
    if not len(zone.points):
        return np.ones(len(boxes), bool)
    places = feet(boxes)
    inside = within(zone.points, places)
    doubtful = np.flatnonzero(before & ~inside)
    if len(doubtful):
        some = boxes[doubtful]
        inside[doubtful] = steps_to(zone.points, places[doubtful], some[:, 2:] - some[:, :2]) <= BORDER
    return inside


def within(polygon: Array, places: Array) -> Array:
    """[n] bool: which places [n, 2] lie in a polygon [m, 2]; by the even-odd rule, so it may cross itself."""
    x, y = places[:, 0, None], places[:, 1, None]
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, axis=0).T
    spans = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return np.asarray((spans & (x < crossing)).sum(axis=1) % 2 == 1)


def steps_to(polygon: Array, places: Array, sizes: Array) -> Array:
    """[n]: how far places [n, 2] are from the polygon's edge, in sizes [n, 2] (width, height) of their heads."""
    sizes = np.maximum(sizes, 1e-9)[:, None]
    begin = (polygon[None] - places[:, None]) / sizes
    along = (np.roll(polygon, -1, axis=0)[None] - places[:, None]) / sizes - begin
    length = np.maximum((along**2).sum(axis=2), 1e-18)
    nearest = np.clip(-(begin * along).sum(axis=2) / length, 0, 1)
    return np.asarray(np.linalg.norm(begin + nearest[..., None] * along, axis=2).min(axis=1))
