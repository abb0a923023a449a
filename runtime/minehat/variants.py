"""Files of one model for frames of different shapes, and which of them suits a frame, by what was measured.

They lie in one folder and are named alike but for the input's size: helmet.int8-cpu.onnx, helmet.416x256.int8-cpu.onnx.
"""

from __future__ import annotations

import re
from pathlib import Path

from .card import ModelCard, read_card
from .errors import MineHatError
from .letterbox import place

MOST_LOST = 0.005  # of mAP50, and of what is found of each class
SIZE = re.compile(r"\.[0-9]+x[0-9]+(?=\.)")


def variant_for(model: Path, width: int, height: int) -> Path:
    """The file of `model`'s family with the least input in which a frame, width x height, is as large as in `model`.

    Another than `model` is taken only where both cards tell of their accuracy on the same pictures, and it loses no
    more than MOST_LOST there.
    """
    ours = read_card(model)
    able = {path: card for path, card in _family(model, ours).items()
            if _shows_as_large(card, ours, width, height) and _loses_little(card, ours)}
    return min(able, key=lambda path: able[path].width * able[path].height, default=model)


def variant_of_size(model: Path, width: int, height: int) -> Path:
    """The file of `model`'s family whose input is width x height. Raises MineHatError where there is none."""
    family = _family(model, read_card(model))
    for path, card in family.items():
        if (card.width, card.height) == (width, height):
            return path
    raise MineHatError(f"{model} has no sister file of {width}x{height}, only of "
                       f"{', '.join(card.size_text for card in family.values())}. One is made by "
                       f"`python export/to_onnx.py` with `--size {width}x{height}` and lies beside it, the size in its "
                       f"name, as in {model.stem.split('.')[0]}.{width}x{height}.onnx.")


def family_of(model: Path) -> list[Path]:
    """`model`, then the files beside it that differ in the input's size alone, by name."""
    return list(_family(model, read_card(model)))


def _family(model: Path, ours: ModelCard) -> dict[Path, ModelCard]:
    """As `family_of`, with their cards."""
    family = {model: ours}
    for path in sorted(model.parent.iterdir()):
        if path.name == model.name or SIZE.sub("", path.name) != SIZE.sub("", model.name):
            continue
        try:
            card = read_card(path)
        except MineHatError:  # its own fault, and no reason to refuse another
            continue
        if (card.name, card.classes, card.precision) == (ours.name, ours.classes, ours.precision):
            family[path] = card
    return family


def _shows_as_large(card: ModelCard, ours: ModelCard, width: int, height: int) -> bool:
    here, there = (place(height, width, one.height, one.width) for one in (card, ours))
    return here.new_width >= there.new_width and here.new_height >= there.new_height


def _loses_little(card: ModelCard, ours: ModelCard) -> bool:
    """On every set of pictures that both were measured on, of which there is one."""
    if card is ours:
        return True
    shared = card.accuracy.keys() & ours.accuracy.keys()
    return bool(shared) and all(
        there - card.accuracy[data].get(figure, 0.0) <= MOST_LOST
        for data in shared for figure, there in ours.accuracy[data].items() if figure != "map")
