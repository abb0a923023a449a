"""Several models scored on the same labelled pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minehat
from minehat.card import KEY, ModelCard, read_card
from minehat.detections import Detections
from minehat.detector import Detector
from minehat.errors import MineHatError, missing
from minehat.files import written_whole
from minehat.labels import AS_NAMED, ClassMap, Labelled, read_split
from minehat.progress import bar
from minehat.scoring import Score, score, spread
from minehat.tables import percent, print_table

from .names import names_of

LOWEST_CONF = 0.001  # low enough for the tail of the precision curve


@dataclass(frozen=True)
class Scored:
    """One model's score."""

    path: Path
    model: str  # file name, or path where two share the name
    precision: str
    size: str  # of the input, WxH
    conf: float  # of the recall columns, from the model's card
    score: Score

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return {"model": self.model, "precision": self.precision, "size": self.size, "conf": self.conf,
                **self.score.to_json()}


@dataclass(frozen=True)
class Seen:
    """What several models found in the same pictures, from scores of LOWEST_CONF on."""

    paths: Sequence[Path]
    cards: Sequence[ModelCard]
    found: Sequence[Sequence[Detections]]  # [models][pictures]
    truths: Sequence[Labelled]

    @property
    def by_name(self) -> dict[str, Sequence[Detections]]:
        """`found` by what tables call the models."""
        return dict(zip(names_of(self.paths), self.found, strict=True))

    def scores(self) -> list[Scored]:
        """Each model's score, recall at the threshold of its own card."""
        rows = zip(self.paths, names_of(self.paths), self.cards, self.found, strict=True)
        return [Scored(path, name, card.precision, card.size_text, card.conf,
                       score(found, self.truths, card.classes, card.conf)) for path, name, card, found in rows]


def score_models(models: Sequence[Path], data: Path, split: str, limit: int | None = None,
                 threads: int | None = None, names: ClassMap = AS_NAMED) -> list[Scored]:
    """Score each model on a split of a labelled set, or on `limit` pictures spread evenly over it."""
    return see(models, data, split, limit, threads, names).scores()


def see(models: Sequence[Path], data: Path, split: str, limit: int | None = None, threads: int | None = None,
        names: ClassMap = AS_NAMED) -> Seen:
    """Show each model a split of a labelled set, or `limit` pictures spread evenly over it.

    names: what the classes of the set are called here. Every picture is read once and goes through all models, so
    all see the same pixels. Raises MineHatError when a model, a picture or a label is not usable, or the models'
    classes differ.
    """
    with contextlib.ExitStack() as opened:
        detectors = [opened.enter_context(minehat.open(model, conf=LOWEST_CONF, threads=threads))
                     for model in models]
        truths = spread(read_split(data, split, _common_classes(models, detectors), names), limit)
        return Seen(models, [detector.card for detector in detectors], find_all(detectors, truths), truths)


def find_all(detectors: Sequence[Detector], truths: Sequence[Labelled]) -> list[list[Detections]]:
    """What each detector finds in each picture; every picture is read once."""
    found: list[list[Detections]] = [[] for _ in detectors]
    for truth in bar(truths, label="accuracy"):
        frame = truth.read()
        for seen, detector in zip(found, detectors, strict=True):
            seen.append(detector(frame))
    return found


def keep(results: Sequence[Scored], data_set: str) -> None:
    """Write each ONNX model's score into its own card, under the data set's name; its hash changes with it.

    Raises MineHatError for an engine, whose card is sealed by its builder.
    """
    onnx = _load_onnx()
    for result in results:
        if result.path.suffix != ".onnx":
            raise MineHatError(f"{result.path}: --keep writes into ONNX files only. Keep the score in the file that "
                               "the engine was built from, then build again.")
        model = onnx.load(result.path)
        entry = next((prop for prop in model.metadata_props if prop.key == KEY), None)
        if entry is None:
            raise MineHatError(f"{result.path} carries no card to write into. Export it with export/to_onnx.py.")
        card = read_card(result.path)
        measured = {"map50": result.score.map50, "map": result.score.map,
                    **{f"recall_{name}": share for name, share in result.score.recall.items() if share is not None}}
        entry.value = card.with_(accuracy={**card.accuracy, data_set: measured}).to_json()
        with written_whole(result.path) as scratch:
            onnx.save(model, scratch)


def show(results: Sequence[Scored]) -> None:
    """A table in percent on stderr, with the loss in points against the first model."""
    first = results[0].score
    names = list(first.ap50)
    header = ["model", "mAP50", "loss", "mAP", *(f"AP50 {name}" for name in names),
              *(f"recall {name}" for name in names)]
    print_table(header, [[result.model, percent(result.score.map50), _loss(first, result.score),
                          percent(result.score.map), *_by_name(result.score.ap50, names),
                          *_by_name(result.score.recall, names)] for result in results])


def _loss(first: Score, other: Score) -> str:
    """Points of mAP50 that were lost; negative where they were gained."""
    return "-" if other is first else f"{100 * (first.map50 - other.map50):+.1f}"


def _by_name(figures: Mapping[str, float | None], names: Sequence[str]) -> list[str]:
    return [percent(figures[name]) for name in names]


def _common_classes(models: Sequence[Path], detectors: Sequence[Any]) -> tuple[str, ...]:
    classes: tuple[str, ...] = detectors[0].card.classes
    for model, detector in zip(models, detectors, strict=True):
        if detector.card.classes != classes:
            raise MineHatError(f"{model} knows {', '.join(detector.card.classes)}, but {models[0]} knows "
                               f"{', '.join(classes)}. Score them in separate runs.")
    return classes


def _load_onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError as exc:
        raise missing("onnx", "write into a model's card", "`pip install onnx`.") from exc
    return onnx
