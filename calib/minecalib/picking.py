"""Which frames to calibrate on: near-duplicates dropped, then spread over sources, brightness and content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from minehat.likeness import BITS, Bits, as_signs, bits_apart, difference_hash, grey_of

from .footage import Footage, Frame

AS_BRIGHT = 24.0  # levels of 0..255 between frames that may be one: the same place in another light is another frame
EDGES = (16, 32, 48, 64, 80, 96, 128, 160)  # of the bands of brightness, finer where mines are


@dataclass(frozen=True, eq=False)
class Look:
    """What is remembered of a frame that was looked at."""

    footage: Footage
    seconds: float | None  # in a video
    brightness: float  # mean grey, 0..255
    bits: Bits  # [256]

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
    """Frames that are unlike all that came before them."""

    def __init__(self, alike: int) -> None:
        self.looks: list[Look] = []
        self._alike = alike
        self._signs = np.empty((64, BITS), np.float32)  # the bits as +-1: a product counts those that agree
        self._brightness = np.empty(64, np.float32)

    def add(self, look: Look) -> None:
        """Keep it, unless one is kept already that is like it."""
        count, signs = len(self.looks), as_signs(look.bits)
        near = bits_apart(self._signs[:count] @ signs) <= self._alike
        if (near & (np.abs(self._brightness[:count] - look.brightness) <= AS_BRIGHT)).any():
            return
        if count == len(self._signs):
            self._signs = np.concatenate([self._signs, np.empty_like(self._signs)])
            self._brightness = np.concatenate([self._brightness, np.empty_like(self._brightness)])
        self._signs[count], self._brightness[count] = signs, look.brightness
        self.looks.append(look)


def choose(looks: Sequence[Look], count: int, seed: int) -> list[Look]:
    """At most `count` of them, in their order: equal shares for sources, and in each for bands of brightness.

    Where a source or band has too few, the others get its share. Each next frame of a band is the one whose
    hash is farthest from those chosen of its source. Depends on the looks and the seed alone.
    """
    rng = np.random.default_rng(seed)
    sources: dict[str, dict[int, list[int]]] = {}
    for row, look in enumerate(looks):
        sources.setdefault(look.footage.source, {}).setdefault(look.band, []).append(row)
    chosen: list[int] = []
    shares = _even_shares(count, [sum(map(len, bands.values())) for bands in sources.values()], rng)
    for bands, share in zip(sources.values(), shares, strict=True):
        parts = _even_shares(share, [len(rows) for rows in bands.values()], rng)
        taken: list[int] = []
        for rows, part in zip(bands.values(), parts, strict=True):
            taken += _farthest(looks, rows, part, taken, rng)
        chosen += taken
    return [looks[row] for row in sorted(chosen)]


def _even_shares(count: int, sizes: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Shares of `count`, as equal as the sizes allow; who gets one more is drawn."""
    shares = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_ = [int(row) for row in rng.permutation(len(sizes)) if shares[row] < sizes[row]]
        each = max(1, left // len(open_))
        for row in open_:
            given = min(each, sizes[row] - shares[row], left)
            shares[row] += given
            left -= given
    return shares


def _farthest(looks: Sequence[Look], rows: Sequence[int], count: int, taken: Sequence[int],
              rng: np.random.Generator) -> list[int]:
    """`count` of the rows, each time the one least like any taken; where none is taken yet, one that is drawn."""
    if count >= len(rows):
        return list(rows)
    signs = np.stack([as_signs(looks[row].bits) for row in rows])
    nearest = np.full(len(rows), -np.inf)  # of each row, its agreement with the taken one that is most like it
    for row in taken:
        nearest = np.maximum(nearest, signs @ as_signs(looks[row].bits))
    picked: list[int] = []
    while len(picked) < count:
        one = int(nearest.argmin()) if taken or picked else int(rng.integers(len(rows)))
        picked.append(one)
        nearest = np.maximum(nearest, signs @ signs[one])
        nearest[one] = np.inf
    return [rows[one] for one in picked]
