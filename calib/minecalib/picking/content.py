"""What a detector finds in a frame, and which kind of frame that makes it: empty, few, many, or one it is unsure of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import minehat
from minehat.card import read_card

from .container import Frame

DOUBTFUL = 0.5  # of the card's threshold: what scores between the two may be a head
MANY = 4  # heads, with helmets and bare
KINDS = ("empty", "few", "many", "unsure")


@dataclass(frozen=True)
class Content:
    """How many of each class were found, and how many more there may be."""

    counts: dict[str, int]  # class -> found at the card's threshold
    doubtful: int  # candidates below it

    @property
    def kind(self) -> str:
        """One of KINDS; unsure where more is doubtful than found."""
        found = sum(self.counts.values())
        if self.doubtful > found:
            return "unsure"
        return "many" if found >= MANY else "few" if found else "empty"


@contextmanager
def watching(model: Path | None, card: Path | None) -> Iterator[Callable[[Frame], Content | None]]:
    """Yield what tells a frame's content; None of every frame where there is no model.

    Raises MineHatError where the model, or the card beside it, cannot be used.
    """
    if model is None:
        yield lambda frame: None
        return
    conf = read_card(card or model).conf
    with minehat.open(model, card, conf=DOUBTFUL * conf) as detector:
        yield lambda frame: _content_of(detector(frame), detector.card.classes, conf)


def _content_of(found: minehat.Detections, classes: tuple[str, ...], conf: float) -> Content:
    sure = found[found.scores >= conf]
    counts = {name: int((sure.labels == label).sum()) for label, name in enumerate(classes)}
    return Content(counts, len(found) - len(sure))
