"""From another's ONNX detector to one that keeps our graph's contract, its card inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..backends.ort import OrtBackend
from ..card import ModelCard
from ..errors import MineHatError
from ..files import written_whole
from ..guests import load_onnx
from .columns import Columns, columns_for, listed
from .contract import graft_contract, settle
from .foreign import Foreign, open_foreign
from .layout import Asked
from .layouts import LAYOUTS
from .recognise import recognised
from .wish import AUTO, Wish, card_for


@dataclass(frozen=True)
class Adapted:
    """A file that was written, and what a person should know of it."""

    path: Path
    card: ModelCard
    layout: str
    why: str  # what spoke for the layout
    names: tuple[str, ...]  # of the foreign columns
    columns: Columns
    boxes: int  # a picture
    batch: int | None  # None: any
    notes: tuple[str, ...]


def contract_from_foreign(path: str | Path, out: str | Path, wish: Wish | None = None) -> Adapted:
    """Write `out`: input `images` float32 [N, 3, H, W], outputs `boxes` and `scores`, card in the metadata.

    Tried out in ONNX Runtime before it gets its name. Raises MineHatError, nothing written, where the model is none
    that can be adapted, where its layout or its classes must be told, and where what comes out is no answer.
    """
    path, out, wish = Path(path), Path(out), wish or Wish()
    foreign = open_foreign(path, wish.size or ((wish.card.height, wish.card.width) if wish.card else None))
    names = wish.names or foreign.metadata.names
    asked = Asked(len(names) if names else None, wish.anchors)
    layout, why = _layout(foreign, wish, asked)
    names = _names(foreign, names, LAYOUTS[layout].classes(foreign, asked))
    columns = columns_for(names, wish.mapping)
    card = card_for(foreign, wish, LAYOUTS[layout], columns.classes)
    graft_contract(foreign, LAYOUTS[layout], columns, replace(asked, classes=len(names)), card)
    boxes, notes = settle(foreign, layout)
    onnx = load_onnx("adapt models")
    with written_whole(out) as scratch:
        onnx.save(foreign.model, str(scratch))
        OrtBackend(scratch, card).close()
    notes = (*foreign.notes, *notes, *_bounds(foreign, layout))
    return Adapted(out, card, layout, why, names, columns, boxes, foreign.batch, notes)


def _layout(foreign: Foreign, wish: Wish, asked: Asked) -> tuple[str, str]:
    if wish.layout == AUTO:
        return recognised(foreign, asked)
    if wish.layout not in LAYOUTS:
        raise MineHatError(f"There is no layout {wish.layout!r}. Choose one of {AUTO}, {', '.join(LAYOUTS)}.")
    LAYOUTS[wish.layout].classes(foreign, asked)
    shown = LAYOUTS[wish.layout].fits(foreign, asked)
    return wish.layout, f"--layout says so; {shown or 'nothing in the file speaks for it'}"


def _bounds(foreign: Foreign, layout: str) -> Iterator[str]:
    """What the foreign part of the graph cannot do."""
    if foreign.halves and LAYOUTS[layout].decoded:
        yield "its own decode is in FP16, where boxes beyond pixel 512 lie on half pixels; an FP32 export is finer"
    if "NonMaxSuppression" in foreign.operators:
        yield "it suppresses inside with NonMaxSuppression, which TensorRT-RTX cannot build; export it without"


def _names(foreign: Foreign, names: Sequence[str] | None, columns: int | None) -> tuple[str, ...]:
    if names is None:
        wanted = f"its {columns} classes" if columns else "its classes"
        raise MineHatError(f"{foreign.path} does not name {wanted}. Name them in the order of its columns: "
                           "--classes helmet,head,... or a file with one name a line.")
    if columns is not None and columns != len(names):
        raise MineHatError(f"{foreign.path} gives scores of {columns} classes, and {len(names)} are named: "
                           f"{listed(names)}. Name them all, in the order of its columns: --classes; what is not "
                           "wanted is left out by --map NAME=-.")
    return tuple(names)
