"""May a new model take over? What it found on stored frames, held against what the old one found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from minehat.detections import Detections, overlaps

SURE = 0.5  # score of the old model's boxes that the new one must find again
SAME = 0.5  # IoU of two boxes of one head
RECALL = 0.8  # share of them that it must find
MANY = 3  # times as many boxes as the old one's, from which on it sees things
SPARE = 2  # boxes a frame that are forgiven beside
SLOWER = 2.0  # times the old one's time


@dataclass(frozen=True)
class Sight:
    """What a model found in the frames of a trial, and how long it took for all of them."""

    classes: tuple[str, ...]
    found: tuple[Detections, ...]
    ms: float


def objection(new: Sight, old: Sight | None, hang_ms: float) -> str:
    """Why the new model must not take over, one line; "" where nothing speaks against it.

    old: None where there is no old model that answers; then only what the new one says by itself counts.
    """
    for found in new.found:
        if not (np.isfinite(found.boxes).all() and np.isfinite(found.scores).all()):
            return "it answers with numbers that are not finite"
    most = max(SLOWER * old.ms, hang_ms / 2) if old else hang_ms
    if new.ms > most:
        return f"it took {new.ms:.0f} ms for {len(new.found)} frames, {most:.0f} ms are allowed"
    return _unlike(new, old) if old else ""


def proof(new: Sight, old: Sight | None) -> str:
    """What speaks for it, for people, one line."""
    if old is None:
        return "it answers; there was no old model to hold it against"
    seen, sure = _seen_again(new, old)
    if not sure:
        return "its trial showed nobody: that it sees heads is not proven"
    return f"it saw {seen} of {sure} heads of the old model, in {new.ms:.0f} ms for its {old.ms:.0f}"


def _unlike(new: Sight, old: Sight) -> str:
    if set(new.classes) != set(old.classes):
        return f"its classes are {', '.join(new.classes)}; wanted {', '.join(old.classes)}"
    seen, sure = _seen_again(new, old)
    if seen < RECALL * sure:
        return f"it saw {seen} of {sure} heads that the old one is sure of, {RECALL:.0%} are wanted"
    many, few = (sum(map(len, sight.found)) for sight in (new, old))
    if many > MANY * few + SPARE * len(new.found):
        return f"it sees {many} heads where the old one sees {few}"
    return ""


def _seen_again(new: Sight, old: Sight) -> tuple[int, int]:
    """How many of the old one's sure boxes the new one has too, under the same name, and how many there are."""
    names = [new.classes.index(name) if name in new.classes else -1 for name in old.classes]
    sure = [theirs[theirs.scores >= SURE] for theirs in old.found]
    return (sum(_matched(mine, theirs, names) for mine, theirs in zip(new.found, sure, strict=True)),
            sum(map(len, sure)))


def _matched(mine: Detections, theirs: Detections, names: Sequence[int]) -> int:
    """How many rows of `theirs` have a row of their own in `mine`; names: their labels as ours."""
    free = np.ones(len(mine), bool)
    for box, label in zip(theirs.boxes, theirs.labels, strict=True):
        fits = overlaps(box, mine.boxes) * (free & (mine.labels == names[label])) if len(mine) else np.zeros(0)
        if len(fits) and fits.max() >= SAME:
            free[fits.argmax()] = False
    return int((~free).sum())
