"""What is remembered of frames that were looked at: of those that are unlike all before, and only of so many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from minehat.likeness import BITS, Bits, as_signs, bits_apart, difference_hash, grey_of

from .container import Frame
from .content import Content
from .footage import Footage

AS_BRIGHT = 24.0  # levels of 0..255 between frames that may be one: the same place in another light is another frame
EDGES = (16, 32, 48, 64, 80, 96, 128, 160)  # of the bands of brightness, finer where mines are


@dataclass(frozen=True, eq=False)
class Look:
    """What is remembered of a frame."""

    footage: Footage
    seconds: float | None  # in a video
    brightness: float  # mean grey, 0..255
    bits: Bits  # [256]
    content: Content | None = None  # None where no model looked

    @property
    def band(self) -> int:
        """Which band of brightness, 0 the darkest."""
        return int(np.searchsorted(EDGES, self.brightness, side="right"))

    @property
    def dhash(self) -> str:
        """The bits as 64 hex digits."""
        return np.packbits(self.bits).tobytes().hex()


def look_at(frame: Frame, footage: Footage, seconds: float | None) -> Look:
    """Brightness and hash of a frame (uint8 [h, w, 3] BGR)."""
    grey = grey_of(frame)
    return Look(footage, seconds, float(grey.mean()), difference_hash(grey))


class Different:
    """Frames that are unlike all that are here already.

    No more than `most` are held: whenever there are so many, `thin` says which half of them to keep.
    """

    def __init__(self, alike: int, most: int, thin: Callable[[list[Look], int], list[Look]]) -> None:
        self.looks: list[Look] = []
        self.kept = 0  # how many were ever kept
        self._alike, self._thin = alike, thin
        self._signs = np.empty((most, BITS), np.float32)  # the bits as +-1: a product counts those that agree
        self._brightness = np.empty(most, np.float32)

    def has_alike(self, look: Look) -> bool:
        """Whether one is held that is like it."""
        count = len(self.looks)
        near = bits_apart(self._signs[:count] @ as_signs(look.bits)) <= self._alike
        return bool((near & (np.abs(self._brightness[:count] - look.brightness) <= AS_BRIGHT)).any())

    def keep(self, look: Look) -> None:
        """Hold it, and make room first where there is none."""
        if len(self.looks) == len(self._signs):
            rest, self.looks = self._thin(self.looks, len(self._signs) // 2), []
            for one in rest:
                self._hold(one)
        self._hold(look)
        self.kept += 1

    def add(self, frame: Frame, footage: Footage, seconds: float | None,
            content_of: Callable[[Frame], Content | None] = lambda frame: None) -> None:
        """Look at a frame and keep it, unless one is held that is like it; content is asked only of what is kept."""
        look = look_at(frame, footage, seconds)
        if not self.has_alike(look):
            self.keep(replace(look, content=content_of(frame)))

    def _hold(self, look: Look) -> None:
        self._signs[len(self.looks)], self._brightness[len(self.looks)] = as_signs(look.bits), look.brightness
        self.looks.append(look)
