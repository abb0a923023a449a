"""What all runs of an ablation have in common, and the journal of those that are finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import write_whole

from ..data.asked_sets import asked_set
from ..data.augment import Augmentation
from ..training.settings import TrainSettings
from .rows import Row


@dataclass(frozen=True)
class Plan:
    """Results of two plans are never mixed."""

    data: tuple[str, ...]  # FOLDER[:PREFIX][@SHARE]
    val: str
    width: str
    epochs: int  # 0 until the budget has chosen them
    batch: int
    size: int
    lr: float
    bf16: bool
    budget: float | None = None  # minutes

    def settings(self, row: Row, seed: int) -> TrainSettings:
        """Validated once, after the last epoch, so that nothing is chosen on the pictures that score it."""
        usual = TrainSettings(epochs=self.epochs, batch=self.batch, size=self.size, start_size=self.size, lr=self.lr,
                              precision="bf16" if self.bf16 else "fp32", seed=seed, every=self.epochs,
                              augment=Augmentation(mine=0.0))
        return replace(usual, **row.way.changes)

    def shared(self) -> Plan:
        """The same without the places of this machine, to be shown to others."""
        return replace(self, data=tuple(set_name(text) for text in self.data), val=set_name(self.val))


def set_name(text: str) -> str:
    """`FOLDER[:PREFIX][@SHARE]` with the folder's name alone."""
    asked = asked_set(text)
    prefix = f":{asked.prefix}" if asked.prefix else ""
    return f"{asked.place.resolve().name}{prefix}" + (f"@{asked.share:g}" if asked.share != 1 else "")


class Journal:
    """OUT/results.json: the plan, and each finished run by name. Written whole whenever it changes."""

    def __init__(self, out: Path, plan: Plan) -> None:
        """Go on with what OUT holds; epochs that a budget chose there stand.

        Raises MineHatError where they are results of another plan.
        """
        self.out, self.path, self.plan = out, out / "results.json", plan
        self.runs: dict[str, dict[str, Any]] = {}
        if self.path.exists():
            self._read()

    def choose(self, plan: Plan) -> None:
        """Keep the plan, its epochs chosen."""
        self.plan = plan
        self._write()

    def add(self, name: str, result: dict[str, Any]) -> None:
        """Keep a finished run."""
        self.runs[name] = result
        self._write()

    def of(self, row: Row, seeds: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The finished runs of a row, by seed."""
        return {seed: self.runs[f"{row.name}-{seed}"] for seed in seeds if f"{row.name}-{seed}" in self.runs}

    def _read(self) -> None:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            plan, self.runs = dict(found["plan"]), dict(found["runs"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise MineHatError(f"{self.path} is no list of finished runs ({exc}). Name another --out.") from exc
        if not self.plan.epochs:
            self.plan = replace(self.plan, epochs=plan.get("epochs", 0))
        wanted = {key: value for key, value in json.loads(json.dumps(asdict(self.plan))).items() if key != "budget"}
        other = [f"{key} {plan.get(key)} instead of {value}" for key, value in wanted.items() if plan.get(key) != value]
        if other:
            raise MineHatError(f"{self.path} was made with {', '.join(other)}: rows of both would not compare. "
                               "Name another --out.")
        self.plan = replace(self.plan, budget=plan.get("budget"))

    def _write(self) -> None:
        write_whole(self.path, json.dumps({"plan": asdict(self.plan), "runs": self.runs}, indent=1) + "\n")
