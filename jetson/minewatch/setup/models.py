"""The models that were shipped with this release: which suits the CPU, and what an engine is built from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minehat.card import ModelCard, read_card
from minehat.errors import MineHatError
from minehat.gpu import first_gpu

from .places import model_folders

CLASSES = {"helmet", "head"}
ON_CPU = ("int8-cpu", "fp32")  # precisions, the faster one first; others are TensorRT's
FOR_ENGINES = ("int8", "fp16", "fp32")


@dataclass(frozen=True)
class Shipped:
    """A file of a model."""

    file: Path
    card: ModelCard

    @property
    def told(self) -> str:
        """For people."""
        return f"{self.card.name}, {self.card.size_text}, {self.card.precision}: {self.file}"


def shipped() -> list[Shipped]:
    """All that tell helmets from bare heads; where several folders have some, of the first one."""
    for folder in model_folders():
        if found := [one for path in sorted(folder.rglob("*.onnx")) if (one := _read(path))]:
            return found
    return []


def for_cpu(models: list[Shipped]) -> list[Shipped]:
    """Those that a CPU runs well, the best first."""
    fit = [one for one in models if one.card.precision in ON_CPU]
    return sorted(fit, key=lambda one: (ON_CPU.index(one.card.precision), one.card.width != one.card.height, one.file))


def for_engine(model: Shipped, models: list[Shipped]) -> Shipped | None:
    """What an engine is built from that is to take over from `model`: the same network in TensorRT's form."""
    same = [one for one in models if one.card.precision in FOR_ENGINES and one.file.parent == model.file.parent
            and (one.card.name, one.card.classes, one.card.size_text) == (model.card.name, model.card.classes,
                                                                     model.card.size_text)]
    return min(same, key=lambda one: FOR_ENGINES.index(one.card.precision), default=None)


def model_here() -> dict[str, Any] | None:
    """The part `model` of a configuration that names none: the CPU's model, and an engine where there is a GPU."""
    models = shipped()
    best = next(iter(for_cpu(models)), None)
    return part_of(best, for_engine(best, models) if first_gpu() else None) if best else None


def part_of(model: Shipped, engine: Shipped | None) -> dict[str, Any]:
    """As the configuration has it."""
    told: dict[str, Any] = {"file": str(model.file)}
    return {**told, "engine": {"onnx": str(engine.file)}} if engine else told


def _read(path: Path) -> Shipped | None:
    try:
        card = read_card(path)
    except MineHatError:
        return None
    return Shipped(path, card) if set(card.classes) >= CLASSES else None
