"""Labelled pictures as a mine's camera would show them, to score what a model makes of darkness, dust and glare."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from minehat.labels import Labelled

from .augment import Augmentation
from .mine import Picture, seen_in_mine


@dataclass(frozen=True)
class InMine(Labelled):
    """A labelled picture seen through a mine's effects, drawn from its name: whoever reads it sees the same."""

    strength: float = 0.0  # of each effect, 0 for none to 1

    def read(self) -> Picture:
        """The picture, uint8 [h, w, 3] BGR; boxes lie where they lay."""
        rng = np.random.default_rng(zlib.crc32(self.path.name.encode()))
        return seen_in_mine(super().read(), rng, Augmentation().effects, (self.strength, self.strength))


def in_mine(pictures: Sequence[Labelled], strength: float) -> list[Labelled]:
    """The pictures, each seen through one to three of the effects."""
    return [InMine(**{one.name: getattr(picture, one.name) for one in fields(Labelled)}, strength=strength)
            for picture in pictures]
