"""Raw maps of YOLOv3, one a scale in any order: [N, A * (5 + C), h, w], or channels last as Keras and TensorFlow give
them: [N, h, w, A * (5 + C)], [N, h, w, A, 5 + C].

Of each anchor tx ty tw th, objectness, classes. Centre = (sigmoid(t) + cell) * stride, side = exp(t) * anchor, shares
by sigmoid. Anchors are in pixels of the network's input whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MineHatError
from .evidence import are_shares
from .foreign import Foreign
from .graft import Graft
from .grids import cells_of
from .layout import Asked

USUAL = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))


@dataclass(frozen=True)
class Map:
    """One output, and where its sides stand."""

    name: str
    height: int
    width: int
    channels: int
    last: bool  # channels last
    stride: int


def maps_of(foreign: Foreign) -> list[Map] | None:
    """The outputs as maps, finest first; None where they are none."""
    found = [_map(foreign, name, last) for last in (False, True) for name in foreign.answers]
    for maps in (found[:len(found) // 2], found[len(found) // 2:]):
        sound = [one for one in maps if one is not None]
        if (len(sound) == len(maps) > 1 and len({one.channels for one in sound}) == 1
                and len({one.stride for one in sound}) == len(sound)):
            return sorted(sound, key=lambda one: one.stride)
    return None


def _map(foreign: Foreign, name: str, last: bool) -> Map | None:
    sides = foreign.answers[name].shape
    if len(sides) not in ((4, 5) if last else (4,)):
        return None
    height, width = sides[1:3] if last else sides[2:4]
    channels = int(np.prod(sides[3:])) if last else sides[1]
    stride = foreign.height // max(height, 1)
    if (height * stride, width * stride) != (foreign.height, foreign.width):
        return None
    return Map(name, height, width, channels, last, stride)


def classes(foreign: Foreign, asked: Asked) -> int:
    """Classes of each anchor. Raises MineHatError where the outputs have other shapes."""
    maps = maps_of(foreign)
    if maps is None:
        raise MineHatError(f"{foreign.path} gives {foreign.told}; wanted two maps [N, A*(5+C), h, w] or more, of "
                           "different strides.")
    each = len(_anchors(foreign, maps, asked)[0])
    if maps[0].channels % each or maps[0].channels // each < 6:
        raise MineHatError(f"{foreign.path}: {maps[0].channels} channels are not {each} anchors of 5+C each. Give the "
                           "anchors that it was trained with: --anchors 10,13,16,30,...")
    return maps[0].channels // each - 5


def fits(foreign: Foreign, asked: Asked) -> str | None:
    """YOLOv4's and v5's maps look the same and are decoded otherwise; LeakyReLU is what sets Darknet's v3 apart."""
    maps = maps_of(foreign)
    if maps is None or "LeakyRelu" not in foreign.operators or foreign.metadata.by_ultralytics:
        return None
    if any(are_shares(foreign.answers[one.name]) for one in maps):
        return None
    strides = ", ".join(str(one.stride) for one in maps)
    return f"{len(maps)} raw maps of strides {strides} and {maps[0].channels} channels, after LeakyReLU"


def graft(graft: Graft, foreign: Foreign, outputs: dict[str, str], asked: Asked) -> tuple[str, str]:
    """boxes and scores of the classes as they stand; rows finest scale first, cell by cell, anchor by anchor."""
    maps = maps_of(foreign)
    assert maps is not None
    groups = _anchors(foreign, maps, asked)
    columns = maps[0].channels // len(groups[0])
    rows = graft("Concat", *(_rows(graft, outputs[one.name], one, columns) for one in maps), axis=1)
    cells, steps, anchors = (np.concatenate(parts)[None] for parts in zip(
        *(_constants(one, group) for one, group in zip(maps, groups, strict=True)), strict=True))
    moved = graft("Add", graft("Sigmoid", graft.columns(rows, 0, 2)), graft.floats(cells))
    centre = graft("Mul", moved, graft.floats(steps))
    size = graft("Mul", graft.exp(graft.columns(rows, 2, 4)), graft.floats(anchors))
    shares = graft("Sigmoid", graft.columns(rows, 4, columns))
    scores = graft("Mul", graft.columns(shares, 0, 1), graft.columns(shares, 1, columns - 4))
    return graft.corners(centre, size), scores


def _rows(graft: Graft, name: str, one: Map, columns: int) -> str:
    """A map as [N, h * w * A, 5 + C]."""
    if not one.last:
        name = graft("Transpose", name, perm=[0, 2, 3, 1])
    return graft("Reshape", name, graft.ints(0, one.height * one.width * one.channels // columns, columns))


def _constants(one: Map, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each row of a map its cell [.., 2], stride [.., 1] and anchor [.., 2]."""
    cells = np.repeat(cells_of(one.height, one.width), len(anchors), axis=0)
    return cells, np.full((len(cells), 1), one.stride), np.tile(anchors, (one.height * one.width, 1))


def _anchors(foreign: Foreign, maps: list[Map], asked: Asked) -> list[np.ndarray]:
    """The anchors [A, 2] of each map, finest first."""
    if asked.anchors is None and len(maps) != 3:
        raise MineHatError(f"{foreign.path} has {len(maps)} maps, and only for three the anchors are known. Give those "
                           "that it was trained with, finest scale first: --anchors 10,14,23,27,...")
    anchors = np.array(asked.anchors or USUAL, np.float32)
    if len(anchors) % len(maps):
        raise MineHatError(f"--anchors: {len(anchors)} of them do not share out among {len(maps)} maps.")
    return np.split(anchors, len(maps))
