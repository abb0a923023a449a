"""[N, 4 + C, B], decoded: cx cy w h in pixels of the square, then classes in 0..1, no objectness.

What YOLOv8, v9, v11 and v12 export.
"""

from __future__ import annotations

from ..errors import MineHatError
from .evidence import all_over, are_shares, dense, grid_told, strides_of
from .foreign import Foreign
from .graft import Graft
from .layout import Asked


def classes(foreign: Foreign, _: Asked) -> int:
    """Rows of classes. Raises MineHatError where the output has another shape."""
    found = dense(foreign)
    if found is None or found[1].shape[1] < 5:
        raise MineHatError(f"{foreign.path} gives {foreign.told}; wanted one output [N, 4+C, B].")
    return int(found[1].shape[1]) - 4


def fits(foreign: Foreign, _: Asked) -> str | None:
    found = dense(foreign)
    if found is None or found[1].shape[1] < 5:
        return None
    name, answer = found
    rows = answer.transpose(0, 2, 1)
    strides = strides_of(foreign, rows.shape[1])
    if not strides or not are_shares(rows[..., 4:]) or not all_over(rows[..., :2], foreign):
        return None
    return f"{name} has {grid_told(rows.shape[1], strides)} in its columns, and its centres lie all over the square"


def graft(graft: Graft, foreign: Foreign, outputs: dict[str, str], _: Asked) -> tuple[str, str]:
    """boxes and scores of the classes as they stand."""
    found = dense(foreign)
    assert found is not None
    rows = graft("Transpose", outputs[found[0]], perm=[0, 2, 1])
    boxes = graft.corners(graft.columns(rows, 0, 2), graft.columns(rows, 2, 4))
    return boxes, graft.columns(rows, 4, found[1].shape[1])
