"""[N, B, 5 + C] as YOLOX exports it: offsets in cells, logarithms of sides, and objectness and classes in 0..1.

Row by row the cells of the finest stride first. Centre = (offset + cell) * stride, side = exp(logarithm) * stride.
YOLOX was trained with the picture at the top left of its square and ours is centred: boxes are pixels of the square
wherever the picture lies, so they stay right; a network of convolutions sees the same picture moved. What it costs
near the edges that trained weights are used to was not measured.
"""

from __future__ import annotations

import numpy as np

from ..errors import MineHatError
from .evidence import about_zero, are_shares, dense, grid_told, strides_of
from .flat import classes as classes
from .foreign import Foreign
from .graft import Graft
from .grids import cells_of
from .layout import Asked


def fits(foreign: Foreign, _: Asked) -> str | None:
    found = dense(foreign)
    if found is None or found[1].shape[2] < 6 or foreign.metadata.by_ultralytics:
        return None
    name, rows = found
    strides = strides_of(foreign, rows.shape[1])
    if not strides or not are_shares(rows[..., 4:]) or not about_zero(rows[..., :4], foreign):
        return None
    return f"{name} has {grid_told(rows.shape[1], strides)}, and its boxes are offsets about 0"


def graft(graft: Graft, foreign: Foreign, outputs: dict[str, str], _: Asked) -> tuple[str, str]:
    """boxes and scores of the classes as they stand."""
    found = dense(foreign)
    assert found is not None
    name, answer = found
    strides = strides_of(foreign, answer.shape[1])
    if strides is None:
        raise MineHatError(f"{foreign.path}: {name} has {answer.shape[1]} rows, which are no grids of strides 4 to 128 "
                           f"over {foreign.width}x{foreign.height}. Give the --size that it was exported for.")
    cells = np.concatenate([cells_of(foreign.height // s, foreign.width // s) for s in strides])
    steps = np.concatenate([np.full((foreign.height // s * (foreign.width // s), 1), s) for s in strides])
    rows, step = outputs[name], graft.floats(steps[None])
    centre = graft("Mul", graft("Add", graft.columns(rows, 0, 2), graft.floats(cells[None])), step)
    size = graft("Mul", graft.exp(graft.columns(rows, 2, 4)), step)
    scores = graft("Mul", graft.columns(rows, 4, 5), graft.columns(rows, 5, answer.shape[2]))
    return graft.corners(centre, size), scores
