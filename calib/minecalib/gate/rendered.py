"""Thousands of bare heads, rendered: enough of them that the 95 % bound of a loss says something."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from minehat import scenes
from minehat.card import ModelCard
from minehat.labels import Labelled
from minehat.pictures import write_picture
from minehat.progress import bar

from .exam import Exam

SIDES = (640, 360)  # width and height
TOGETHER = 8  # frames of one gallery, people elsewhere in each
FPS = 0.4  # people walk on between frames
PEOPLE = 16
FIRST_SEED = 900_000  # far from those of training
QUALITY = 95


def render(folder: Path, heads: int, card: ModelCard, watched: str) -> Exam:
    """Draw galleries full of people into `folder` until they show `heads` of the watched class."""
    label = scenes.CLASSES.index(watched)
    truths: list[Labelled] = []
    shown = 0
    progress = bar(_films(folder), label=f"rendering {heads} {watched}s")
    for film in progress:
        truths += film
        shown += sum(int((truth.labels == label).sum()) for truth in film)
        if shown >= heads:
            break
    progress.close()
    return Exam("rendered scenes", truths, card, lowest=card.conf)


def _films(folder: Path) -> Iterator[list[Labelled]]:
    width, height = SIDES
    for seed in itertools.count(FIRST_SEED):
        truths = []
        for number, scene in enumerate(scenes.film(seed, TOGETHER, width, height, FPS, PEOPLE)):
            path = folder / f"{seed}-{number}.jpg"
            write_picture(path, scene.frame, QUALITY)
            truths.append(Labelled(path, scene.boxes, scene.labels, np.zeros(len(scene.labels), bool), None))
        yield truths
