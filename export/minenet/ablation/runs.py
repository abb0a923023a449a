"""The rows of the paper's tables, each trained with our training; what is finished is kept and not done twice.

Rows of several tables that ask for the same network on the same data share its runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.progress import say

from ..anchors import YOLOV3, kmeans_anchors
from ..checkpoint import load_checkpoint
from ..data.augment import Augmentation
from ..data.batches import box_sizes
from ..data.sources import Source, read_material
from ..network import MineNet, Recipe
from ..training.processes import Processes
from ..training.run import Run
from ..training.settings import TrainSettings

CLASSES = Recipe().classes
TABLES = ("attention", "backbone", "data")


@dataclass(frozen=True)
class Row:
    """One row of a table: the network and the sets that it is trained on, and what the paper prints for it."""

    label: str
    backbone: str
    attention: str
    anchors: str  # "default", YOLOv3's nine, or "own", six by k-means
    paper_map: float  # percent
    paper_ms: int | None = None
    paper_fps: int | None = None
    sets: tuple[int, ...] = ()  # which of the --data sets, from 0; all where empty

    @property
    def name(self) -> str:
        """The same for rows that are the same run."""
        sets = "-sets" + "+".join(str(number + 1) for number in self.sets) if self.sets else ""
        return f"{self.backbone}-{self.attention}-{self.anchors}{sets}"


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


@dataclass(frozen=True)
class Plan:
    """What all rows have in common. Results of two plans are never mixed."""

    data: tuple[str, ...]  # FOLDER or FOLDER@SHARE
    val: str
    width: str
    epochs: int
    batch: int
    size: int
    lr: float
    bf16: bool

    def settings(self, seed: int) -> TrainSettings:
        """Validated once, after the last epoch, so that nothing is chosen on the pictures that score it."""
        return TrainSettings(epochs=self.epochs, batch=self.batch, size=self.size, start_size=self.size, lr=self.lr,
                             precision="bf16" if self.bf16 else "fp32", seed=seed, every=self.epochs,
                             augment=Augmentation(mine=0.0))


def rows_of(table: str, data: Sequence[str]) -> tuple[Row, ...]:
    """The rows of a table. That of the data wants helmets, then SCUT-HEAD whole or its two parts."""
    if table != "data":
        return {"attention": ATTENTION, "backbone": BACKBONE}[table]
    if len(data) not in (2, 3):
        raise MineHatError(f"--table data with {len(data)} --data: give the helmets first, then SCUT-HEAD as one set, "
                           "or its PartA and PartB as two.")
    chosen = {2: ((0,), (0, 1)), 3: ((0,), (0, 1), (0, 2), (0, 1, 2))}[len(data)]
    told = DATA if len(data) == 3 else (DATA[0], DATA[-1])
    names = [Path(text.partition("@")[0]).name for text in data]
    return tuple(Row(f"{label} ({' + '.join(names[one] for one in sets)})", "darknet53", "none", "default", paper,
                     sets=() if len(sets) == len(data) else sets)
                 for (label, paper), sets in zip(told, chosen, strict=True))


class Journal:
    """OUT/results.json: the plan, and each finished run by name. Written whole after every run."""

    def __init__(self, out: Path, plan: Plan) -> None:
        self.path, self.plan = out / "results.json", json.loads(json.dumps(asdict(plan)))
        self.runs: dict[str, dict[str, Any]] = self._read() if self.path.exists() else {}

    def add(self, name: str, result: dict[str, Any]) -> None:
        """Keep a finished run."""
        self.runs[name] = result
        self._write()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            plan, runs = dict(found["plan"]), dict(found["runs"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise MineHatError(f"{self.path} is no list of finished runs ({exc}). Name another --out.") from exc
        other = [f"{key} {plan.get(key)} instead of {value}" for key, value in self.plan.items()
                 if plan.get(key) != value]
        if other:
            raise MineHatError(f"{self.path} was made with {', '.join(other)}: rows of both would not compare. "
                               "Name another --out.")
        return runs

    def _write(self) -> None:
        write_whole(self.path, json.dumps({"plan": self.plan, "runs": self.runs}, indent=1) + "\n")


def finish_runs(rows: Sequence[Row], seeds: Sequence[int], plan: Plan, out: Path, device: str) -> Journal:
    """Train every row with every seed, each in OUT/<row>-<seed>/, but for those that the journal knows.

    All rows with the first seed come first, so that a table without spread is there early. A run that was
    broken off goes on after its last whole epoch.
    """
    journal = Journal(out, plan)
    names = {f"{row.name}-{seed}": (row, seed) for seed in seeds for row in rows}
    left = {name: wanted for name, wanted in names.items() if name not in journal.runs}
    say(f"{len(names)} runs of {plan.epochs} epochs, {len(names) - len(left)} of them finished before")
    if not left:
        return journal
    material = read_material(plan.data, plan.val, CLASSES, plan.size)
    for count, (name, (row, seed)) in enumerate(left.items(), 1):
        say(f"{name} ({count}/{len(left)})")
        began = time.monotonic()
        used = [material.sources[number] for number in row.sets] or material.sources
        run = _begun(row, plan, seed, used, out / name, device)
        run.fit(used, material.val)
        journal.add(name, {"map50": run.place.best, "seconds": round(time.monotonic() - began, 1),
                           "pictures": sum(len(source.samples) for source in used)})
    return journal


def _begun(row: Row, plan: Plan, seed: int, sources: Sequence[Source], folder: Path, device: str) -> Run:
    """The run of a row, at its start or where it was broken off."""
    settings, last = plan.settings(seed), folder / "last.pt"
    folder.mkdir(parents=True, exist_ok=True)
    card = ModelCard(name=row.name, classes=CLASSES, height=plan.size, width=plan.size,
                     data_sources=tuple(source.name for source in sources))
    if not last.exists():
        torch.manual_seed(seed)
        anchors = YOLOV3 if row.anchors == "default" else kmeans_anchors(box_sizes(sources, seed), 6, seed)
        network = MineNet(Recipe(plan.width, row.backbone, row.attention, CLASSES, anchors))
        return Run(network, card, settings, folder, Processes(device))
    network, _, state = load_checkpoint(last)
    if state is None or state["settings"] != asdict(settings):
        raise MineHatError(f"{last} belongs to a run with other settings. Name another --out, or delete {folder}.")
    run = Run(network, card, settings, folder, Processes(device))
    run.resume(last)
    return run
