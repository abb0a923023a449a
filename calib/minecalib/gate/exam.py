"""Labelled pictures that models are examined on: each picture read once, all models asked."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import minehat
import onnx
from minehat.card import ModelCard
from minehat.detections import Detections
from minehat.detector import Detector
from minehat.labels import Labelled
from minehat.letterbox import letterbox
from minehat.progress import bar
from minehat.scoring import Score, score
from minehat.scoring.paired import Ranked, ranked
from onnx import ModelProto

from ..images import digest_of

LOWEST_CONF = 0.001  # low enough for the tail of the precision curve


@dataclass(frozen=True)
class Exam:
    """Pictures with their truth, and the card that says how models are to be asked."""

    name: str
    truths: Sequence[Labelled]
    card: ModelCard
    lowest: float = LOWEST_CONF  # detections from this score on are kept

    def sit(self, models: Mapping[str, ModelProto]) -> dict[str, Answers]:
        """What each of the named models finds in all pictures."""
        found: dict[str, list[Detections]] = {name: [] for name in models}
        with _detectors(models, self.card, self.lowest) as detectors:
            for truth in bar(self.truths, label=f"scoring {', '.join(models)}"):
                frame = truth.read()
                for name, detector in detectors.items():
                    found[name].append(detector(frame))
        return {name: Answers(self, tuple(seen)) for name, seen in found.items()}

    @cached_property
    def digests(self) -> frozenset[bytes]:
        """Of the squares, as calibration pictures have them."""
        squares = (letterbox(truth.read(), self.card.height, self.card.width, self.card.pad)[0]
                   for truth in bar(self.truths, label="comparing with calibration"))
        return frozenset(map(digest_of, squares))


@dataclass(frozen=True)
class Answers:
    """What one model found in an exam's pictures, in their order."""

    exam: Exam
    found: tuple[Detections, ...]

    @cached_property
    def score(self) -> Score:
        return score(self.found, self.exam.truths, self.exam.card.classes, self.exam.card.conf)

    @cached_property
    def ranked(self) -> list[Ranked]:
        """For paired comparisons."""
        return ranked(self.found, self.exam.truths, self.exam.card.classes)


@contextlib.contextmanager
def _detectors(models: Mapping[str, ModelProto], card: ModelCard, lowest: float) -> Iterator[dict[str, Detector]]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        detectors = {}
        for number, (name, model) in enumerate(models.items()):
            path = Path(folder) / f"{number}.onnx"
            onnx.save(model, str(path))
            detectors[name] = opened.enter_context(
                minehat.open(path, card=card.with_(precision=name), conf=lowest))
        yield detectors
