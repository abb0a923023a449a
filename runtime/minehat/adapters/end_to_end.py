"""[N, K, 6], suppressed already: x0 y0 x1 y1 in pixels of the square, score, number of the class.

YOLOv10 and YOLO26 choose K boxes inside; Ultralytics' exports with nms=True give the same, filled up with zeros.
"""

from __future__ import annotations

import numpy as np

from ..errors import MineHatError
from .evidence import are_shares, dense
from .foreign import Foreign
from .graft import Graft
from .layout import Asked

IN_ORDER = 0.9  # share of the corners, at least; boxes of noise may be turned inside out


def classes(foreign: Foreign, _: Asked) -> None:
    """Unknown: classes are numbers in the answer. Raises MineHatError where the output has another shape."""
    found = dense(foreign)
    if found is None or found[1].shape[2] != 6:
        raise MineHatError(f"{foreign.path} gives {foreign.told}; wanted one output [N, K, 6].")


def fits(foreign: Foreign, asked: Asked) -> str | None:
    found = dense(foreign)
    if found is None or found[1].shape[2] != 6:
        return None
    name, rows = found
    boxes, scores, numbers = rows[..., :4], rows[..., 4], rows[..., 5]
    whole = (numbers == np.round(numbers)) & (numbers >= 0) & (numbers < (asked.classes or np.inf))
    in_order = (boxes[..., 2:] >= boxes[..., :2]).mean() > IN_ORDER
    sound = whole.all() and are_shares(scores) and in_order
    says_nothing = not rows.any() and not foreign.metadata.by_ultralytics
    if not sound or says_nothing:
        return None
    return f"{name} has whole numbers in its last column, shares before it, and corners that are in order"


def graft(graft: Graft, foreign: Foreign, outputs: dict[str, str], asked: Asked) -> tuple[str, str]:
    """boxes, and scores that are 0 but for the box's class."""
    found = dense(foreign)
    assert found is not None and asked.classes is not None
    rows = outputs[found[0]]
    numbers = graft.floats(np.arange(asked.classes).reshape(1, 1, -1))
    away = graft("Abs", graft("Sub", graft.columns(rows, 5, 6), numbers))
    chosen = graft("Cast", graft("Less", away, graft.floats(0.5)), to=graft.onnx.TensorProto.FLOAT)
    return graft.columns(rows, 0, 4), graft("Mul", chosen, graft.columns(rows, 4, 5))
