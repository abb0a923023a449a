"""Would a watch work? One line for each thing that it needs."""

from __future__ import annotations

from collections.abc import Callable

import minehat
import numpy as np
from minehat.doors import DONE, MENDABLE
from minehat.errors import MineHatError
from minehat.progress import say

from .reader import Reader
from .watch import rules_of

PATIENCE = 15.0  # seconds until the first picture


def check(model: str, source: str, card: str | None = None) -> int:
    """Try card, backend and source, and say how each went on stderr. 0 when all are well, else 2."""
    steps: dict[str, Callable[[], str]] = {
        "card": lambda: _card(model, card), "backend": lambda: _backend(model, card), "source": lambda: _source(source)}
    went_well = [_told(name, step) for name, step in steps.items()]
    return DONE if all(went_well) else MENDABLE


def _told(name: str, step: Callable[[], str]) -> bool:
    try:
        line, good = step(), True
    except MineHatError as exc:
        line, good = str(exc), False
    say(f"{'ok ' if good else 'BAD'}  {name:<8}{line}")
    return good


def _card(model: str, by_hand: str | None) -> str:
    card = minehat.read_card(by_hand or model)
    rules_of(card.classes, model)
    return f"{card.name}, {card.size_text}, {card.precision}, {', '.join(card.classes)}"


def _backend(model: str, card: str | None) -> str:
    with minehat.open(model, card) as detector:
        detector(np.zeros((detector.card.height, detector.card.width, 3), np.uint8))
        return f"{detector.backend.name} runs it"


def _source(source: str) -> str:
    with Reader(source) as reader:
        shot = reader.take(PATIENCE)
    if shot is None:
        raise MineHatError(reader.faults[0] if reader.faults else
                           f"{reader.name} gave no picture in {PATIENCE:.0f} s.")
    height, width = shot.frame.shape[:2]
    return f"{shot.source} gives pictures of {width}x{height}"
