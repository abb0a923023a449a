"""A tree in which what is wrong has been put out of the way, so that the rest can be judged in the same go."""

from __future__ import annotations

from itertools import count
from typing import Any

from .faults import place_of
from .passwords import NOBODY
from .positions import Entry, Node
from .schema import VERSION
from .suggest import Loc, is_required, keys_at

NUMBERS = count(1)
STAND_INS: dict[str, Any] = {  # for keys that must be there, some that nothing is wrong with
    "version": VERSION, "state": "state", "model": {"file": "model"}, "file": "model", "onnx": "model.onnx",
    "cameras": [{"name": "stand-in", "url": "rtsp://stand-in"}], "url": "rtsp://stand-in", "host": "stand-in",
    "points": [[0, 0], [1, 0], [1, 1]], "password_hash": NOBODY}


def mend(tree: Node, loc: Loc) -> None:
    """Take a wrong value away, or put a right one where the schema needs one; both where `loc` leads."""
    for end in range(len(loc), 0, -1):
        part, (line, column, node) = loc[:end], place_of(tree, loc[:end])
        if is_required(part):
            around = place_of(tree, part[:-1])[2]
            if around and around.entries is not None:
                around.entries[str(part[-1])] = Entry(line, column, Node(line, column, _stand_in(part)))
            return
        if node and (isinstance(part[-1], str) or keys_at(part)):
            node.left_out = True
            return


def original(tree: Node, loc: Loc) -> Loc:
    """The place of an error in the file, where numbers count what was left out too."""
    node: Node | None = tree
    found: list[str | int] = []
    for step in loc:
        if node and node.items is not None and isinstance(step, int):
            rows = [row for row, item in enumerate(node.items) if not item.left_out]
            step = rows[step] if step < len(rows) else step
        found.append(step)
        node = dict(node.children()).get(step) if node else None
    return tuple(found)


def _stand_in(loc: Loc) -> Any:
    if loc[-1] == "name":
        return f"stand-in {next(NUMBERS)}"
    return "https://stand-in" if "webhooks" in loc and loc[-1] == "url" else STAND_INS[str(loc[-1])]
