"""The rows of the tables: the paper's three with its figures, and ours of what the modern recipe adds.

Rows of several tables that ask for the same network, data and way of training have the same name, and train once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError

from ..training.settings import CELLS, MODERN, PAPER

TABLES = ("attention", "backbone", "data", "recipe")


@dataclass(frozen=True)
class Way:
    """How a row is trained, where that is not as most rows are."""

    name: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the plan's TrainSettings
    cells: int = 1


@dataclass(frozen=True)
class Row:
    """One row of a table: the network, its sets and its training, and what the paper prints for it."""

    label: str
    backbone: str
    attention: str
    anchors: str  # "default", YOLOv3's nine, or "own", six by k-means
    paper_map: float | None = None  # percent
    paper_ms: int | None = None
    paper_fps: int | None = None
    sets: tuple[int, ...] = ()  # which of the --data sets, from 0; all where empty
    way: Way = field(default_factory=Way)

    @property
    def network(self) -> str:
        """The same for rows whose networks take the same time."""
        return f"{self.backbone}-{self.attention}-{self.anchors}"

    @property
    def pace(self) -> str:
        """The same for rows whose steps take the same time."""
        return f"{self.network}-{self.way.name}" if self.way.name else self.network

    @property
    def name(self) -> str:
        """The same for rows that are the same run."""
        return f"{self.pace}-sets{'+'.join(str(number + 1) for number in self.sets)}" if self.sets else self.pace


@dataclass(frozen=True)
class Table:
    """Rows to be compared with the first of them, or, where they are steps, each with the one before."""

    name: str
    title: str
    rows: tuple[Row, ...]
    steps: bool = False
    note: str = ""

    def reference(self, number: int) -> int:
        """The row that a row is compared with."""
        return max(0, number - 1) if self.steps else 0

    @property
    def networks_differ(self) -> bool:
        return len({row.network for row in self.rows}) > 1


ATTENTION = (
    Row("no attention", "darknet53", "none", "default", 82.3, 26, 38),
    Row("channel", "darknet53", "channel", "default", 84.2, 28, 35),
    Row("spatial", "darknet53", "spatial", "default", 84.5, 27, 37),
    Row("channel + spatial", "darknet53", "both", "default", 86.0, 31, 32),
    Row("channel + spatial, own anchors", "darknet53", "both", "own", 87.3, 33, 30),
)
BACKBONE = (
    Row("ResNet50", "resnet50", "none", "default", 81.3),
    Row("Darknet53", "darknet53", "none", "default", 85.0),
    Row("Darknet53 + attention", "darknet53", "both", "default", 88.8),
    Row("Darknet53 + attention, own anchors", "darknet53", "both", "own", 90.5),
)
DATA = (("helmets only", 75.7), ("+ PartA", 78.1), ("+ PartB", 81.8), ("+ PartA + PartB", 82.3))

_PAPERS = {one.name: getattr(PAPER, one.name) for one in fields(PAPER)
           if getattr(PAPER, one.name) != getattr(MODERN, one.name)}
_PLAIN = {"augment": PAPER.augment}
# Each row lacks what the next one adds; the usual way of training is the one that lacks cells and mine effects.
RECIPE = tuple(Row(label, "darknet53", "both", "own", way=way) for label, way in (
    ("the paper's recipe", Way("paper", _PAPERS, CELLS["paper"])),
    ("+ rate, schedule, averaged weights", Way("rate", {**_PLAIN, "loss": PAPER.loss})),
    (f"+ {MODERN.loss.box.upper().replace('IOU', 'IoU')}",
     Way("box", {**_PLAIN, "loss": replace(MODERN.loss, near=PAPER.loss.near)})),
    (f"+ further anchors (near {MODERN.loss.near:g})", Way("near", _PLAIN)),
    ("+ mosaic, zoom and light", Way()),
    ("+ three cells", Way("cells", cells=CELLS["modern"])),
    ("+ mine effects", Way("mine", {"augment": MODERN.augment}, CELLS["modern"])),
))


def table_of(name: str, data: Sequence[str]) -> Table:
    """A table by its name. That of the data wants helmets, then SCUT-HEAD whole or its two parts."""
    if name == "attention":
        return Table(name, "Attention, anchors", ATTENTION)
    if name == "backbone":
        return Table(name, "Backbone", BACKBONE)
    if name == "data":
        return Table(name, "Training pictures", _data_rows(data))
    return Table(name, "What the modern recipe adds to the paper's", RECIPE, steps=True, note=(
        "A table of our own: Darknet53 with attention and own anchors, each row with one thing more than the row "
        "before. The paper's recipe is meant for a pre-trained backbone and tens of thousands of steps, so that its "
        "first row shows how it does without both."))


def rows_of(tables: Sequence[Table]) -> list[Row]:
    """The rows of several tables, one for each name."""
    return list({row.name: row for table in tables for row in table.rows}.values())


def _data_rows(data: Sequence[str]) -> tuple[Row, ...]:
    if len(data) not in (2, 3):
        raise MineHatError(f"--table data with {len(data)} --data: give the helmets first, then SCUT-HEAD as one set, "
                           "or its PartA and PartB as two.")
    chosen = {2: ((0,), (0, 1)), 3: ((0,), (0, 1), (0, 2), (0, 1, 2))}[len(data)]
    told = DATA if len(data) == 3 else (DATA[0], DATA[-1])
    names = [Path(text.partition("@")[0]).name for text in data]
    return tuple(Row(f"{label} ({' + '.join(names[one] for one in sets)})", "darknet53", "none", "default", paper,
                     sets=() if len(sets) == len(data) else sets)
                 for (label, paper), sets in zip(told, chosen, strict=True))
