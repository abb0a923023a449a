"""Which frames to pick: equal shares for sources, and in all as even a spread as they allow.

Each next frame comes from the source whose turn it is and is the one whose brightness, content, time and scene were
picked least so far; of several, the one least like those picked of its source. Dark hours, crowds and a camera's short
turn to another view are few among thousands, and so come first when everything else has been picked once or twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from minehat.likeness import BITS, as_signs, bits_apart

from .content import KINDS
from .looks import Look

SPANS = 12  # of time that a source is cut into, all equally long; fewer where fewer than two of each are picked
NEW_SCENE = 64  # bits of 256; a frame that differs in more from every scene of its source is another scene
Rows = npt.NDArray[np.int64]
Signs = npt.NDArray[np.float32]  # [n, 256], +-1


def choose(looks: Sequence[Look], count: int, seed: int) -> list[Look]:
    """At most `count` of them, in their order. Depends on the looks, the count and the seed alone."""
    if count >= len(looks):
        return list(looks)
    rng = np.random.default_rng(seed)
    sources = _by_source(looks)
    shares = _even_shares(count, [len(rows) for rows in sources], rng)
    signs = as_signs(np.stack([look.bits for look in looks]))
    traits = _traits(looks, signs, sources, shares)
    nearest = -BITS - rng.random(len(looks))  # agreement with the most like one of those picked; before that, a draw
    picked = np.zeros(len(looks), bool)
    for rows in _turns(sources, shares):
        row = _best(rows[~picked[rows]], traits, nearest)
        picked[row] = True
        for trait in traits:
            trait.add(row)
        nearest[rows] = np.maximum(nearest[rows], signs[rows] @ signs[row])
    return [looks[row] for row in np.flatnonzero(picked)]


class _Trait:
    """A property of frames, and how often each of its values was picked within each group of frames."""

    def __init__(self, values: Rows, groups: Sequence[Rows], shares: Sequence[int]) -> None:
        """values: [n]. shares: how many will be picked of each group."""
        self._values, self._even = np.empty_like(values), np.empty(len(values))
        total = 0
        for rows, share in zip(groups, shares, strict=True):
            different, places = np.unique(values[rows], return_inverse=True)
            self._values[rows], self._even[rows] = total + places, max(1, share) / len(different)
            total += len(different)
        self._taken = np.zeros(total)

    def crowding(self, rows: Rows) -> npt.NDArray[np.float64]:
        """How often the values of these rows were picked, 1 where that is their even share."""
        return self._taken[self._values[rows]] / self._even[rows]

    def add(self, row: int) -> None:
        """The row was picked."""
        self._taken[self._values[row]] += 1


def _best(rows: Rows, traits: Sequence[_Trait], nearest: npt.NDArray[np.float64]) -> int:
    crowding = np.sum([trait.crowding(rows) for trait in traits], axis=0)
    least = rows[crowding <= crowding.min() + 1e-9]
    return int(least[nearest[least].argmin()])


def _traits(looks: Sequence[Look], signs: Signs, sources: Sequence[Rows], shares: Sequence[int]) -> list[_Trait]:
    """Brightness and content count over all sources, time and scenes within each."""
    bands = np.array([look.band for look in looks])
    kinds = np.array([KINDS.index(look.content.kind) if look.content else 0 for look in looks])
    spans, scenes = np.empty_like(bands), np.empty_like(bands)
    for rows, share in zip(sources, shares, strict=True):
        spans[rows] = _spans([looks[row] for row in rows], min(SPANS, max(1, share // 2)))
        scenes[rows] = _scenes(signs[rows])
    everywhere = [np.arange(len(looks))]
    return [_Trait(bands, everywhere, [sum(shares)]), _Trait(kinds, everywhere, [sum(shares)]),
            _Trait(spans, sources, shares), _Trait(scenes, sources, shares)]


def _spans(looks: Sequence[Look], count: int) -> Rows:
    """Which of `count` equal spans of time each look of a source lies in; pictures count as one a second."""
    times = np.array([place if look.seconds is None else look.seconds for place, look in enumerate(looks)])
    length = max(float(times[-1] - times[0]), 1e-9)
    return np.minimum((times - times[0]) / length * count, count - 1).astype(np.int64)


def _scenes(signs: Signs) -> Rows:
    """Number the scenes of a source: a frame is of the first scene whose first frame it is like, or begins one."""
    firsts, scenes = np.empty_like(signs), np.empty(len(signs), np.int64)
    count = 0
    for row, one in enumerate(signs):
        like = np.flatnonzero(bits_apart(firsts[:count] @ one) <= NEW_SCENE)
        if not len(like):
            firsts[count] = one
            count += 1
        scenes[row] = like[0] if len(like) else count - 1
    return scenes


def _by_source(looks: Sequence[Look]) -> list[Rows]:
    rows: dict[str, list[int]] = {}
    for row, look in enumerate(looks):
        rows.setdefault(look.footage.source, []).append(row)
    return [np.array(one) for one in rows.values()]


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


def _turns(sources: Sequence[Rows], shares: Sequence[int]) -> Iterator[Rows]:
    """The sources one after the other, each as often as its share says."""
    for turn in range(max(shares)):
        yield from (rows for rows, share in zip(sources, shares, strict=True) if share > turn)
