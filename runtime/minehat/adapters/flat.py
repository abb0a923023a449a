"""[N, B, 5 + C], all decoded: cx cy w h in pixels of the square, objectness, classes; shares in 0..1.

What YOLOv5 and YOLOv7 export (three anchors a cell), Ultralytics' and others' YOLOv3 with the grids inside, YOLOX
with decode_in_inference and other anchor-free ones (one a cell).
"""

from __future__ import annotations

from ..errors import MineHatError
from .evidence import all_over, are_shares, dense, grid_told, strides_of
from .foreign import Foreign
from .graft import Graft
from .layout import Asked

ANCHORS = 3  # a cell, where there are any


def classes(foreign: Foreign, _: Asked) -> int:
    """Columns of classes. Raises MineHatError where the output has another shape."""
    found = dense(foreign)
    if found is None or found[1].shape[2] < 6:
        raise MineHatError(f"{foreign.path} gives {foreign.told}; wanted one output [N, B, 5+C].")
    return int(found[1].shape[2]) - 5


def with_anchors(foreign: Foreign, _: Asked) -> str | None:
    return _fits(foreign, ANCHORS)


def anchor_free(foreign: Foreign, _: Asked) -> str | None:
    return _fits(foreign, 1)


def either(foreign: Foreign, asked: Asked) -> str | None:
    return with_anchors(foreign, asked) or anchor_free(foreign, asked)


def of_yolox(foreign: Foreign, asked: Asked) -> str | None:
    return None if foreign.metadata.by_ultralytics else anchor_free(foreign, asked)


def _fits(foreign: Foreign, a_cell: int) -> str | None:
    found = dense(foreign)
    if found is None or found[1].shape[2] < 6 or found[1].shape[1] % a_cell:
        return None
    name, rows = found
    cells = rows.shape[1] // a_cell
    strides = strides_of(foreign, cells)
    if not strides or not are_shares(rows[..., 4:]) or not all_over(rows[..., :2], foreign):
        return None
    times = f"{a_cell} x " if a_cell > 1 else ""
    return f"{name} has {times}{grid_told(cells, strides)}, and its centres lie all over the square"


def graft(graft: Graft, foreign: Foreign, outputs: dict[str, str], _: Asked) -> tuple[str, str]:
    """boxes and scores of the classes as they stand."""
    found = dense(foreign)
    assert found is not None
    rows = outputs[found[0]]
    boxes = graft.corners(graft.columns(rows, 0, 2), graft.columns(rows, 2, 4))
    return boxes, graft("Mul", graft.columns(rows, 4, 5), graft.columns(rows, 5, found[1].shape[2]))
