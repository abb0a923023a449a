"""Pictures that are there twice: the same file, the same picture made anew, its mirror image, or the same view.

Candidates are those whose hashes differ in few bits; the correlation of their detail decides. Of 212 pictures of
helmets and of mines, all were found again after JPEG at quality 20, at 0.4 of their sides, stretched, mirrored, darker
(gain 0.6), in grey, noisy, blurred, or with a plate over 3 % of them; 209 at gain 1.2 and 176 at 1.4, where much is
burnt out. Pictures with 1 to 3 % cut off each side count as the same view, with more they are not found. Among 2024
pictures of helmets and heads none was taken for another; a person who moved in front of a fixed camera leaves 0.75 to
0.97, two different scenes 0.64 at most, unless the same lens leaves its mark on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from minehat.likeness import ALIKE, as_signs, bits_apart
from minehat.progress import bar

from .looks import Look

NEAR = 64  # bits between hashes of candidates
SAME = 0.97  # correlation from which two pictures are one
SAME_IF_ALIKE = 0.85  # where their hashes are ALIKE: a logo or a bright spot was added
VIEW = 0.65  # the same place at another moment
TILE = 512  # pictures that are compared with as many others at a time
FEW = 0.02  # share of candidates up to which each is compared by itself
Relation = Literal["same view", "mirrored", "same picture", "same file"]
RELATIONS: tuple[Relation, ...] = ("same view", "mirrored", "same picture", "same file")  # rising
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Twin:
    """A picture and an earlier one that is like it; rows of what was compared."""

    first: int
    second: int
    relation: Relation
    likeness: float  # correlation of their detail, at most 1
    across: bool  # whether they are of different groups


class _Deck:
    """All looks, ready to be compared by the tile."""

    def __init__(self, looks: Sequence[Look], digests: Sequence[str]) -> None:
        self.signs = np.stack([as_signs(look.bits) for look in looks])
        self.mirrored_signs = np.stack([as_signs(look.mirrored_bits) for look in looks])
        self.details = np.stack([look.detail for look in looks])
        self.mirrored_details = np.stack([look.mirrored_detail for look in looks])
        self.files = np.unique(np.array(digests), return_inverse=True)[1]

    def likeness(self, late: slice, early: slice) -> Floats:
        """[late, early]: the row in RELATIONS plus, after the point, the correlation; -1 where two are unlike."""
        near = bits_apart(self.signs[late] @ self.signs[early].T)
        detail = _correlated(self.details[late], self.details[early], near <= NEAR)
        same = (detail >= SAME) | ((detail >= SAME_IF_ALIKE) & (near <= ALIKE))
        near = bits_apart(self.signs[late] @ self.mirrored_signs[early].T)
        mirrored = _correlated(self.details[late], self.mirrored_details[early], near <= NEAR)
        flipped = (mirrored >= SAME) | ((mirrored >= SAME_IF_ALIKE) & (near <= ALIKE))
        equal = self.files[late, None] == self.files[None, early]
        found = np.select([equal, same, flipped, detail >= VIEW], [3.999, 2 + detail, 1 + mirrored, detail], -1)
        return found.astype(np.float32)


def find_twins(looks: Sequence[Look], digests: Sequence[str], groups: Sequence[str]) -> list[Twin]:
    """For each picture the earlier one most like it in its own group, and the one most like it in the others.

    digests: of the files; equal ones are the same file. A same view within a group is not told.
    """
    count = len(looks)
    if not count:
        return []
    deck, group = _Deck(looks, digests), np.unique(np.array(groups), return_inverse=True)[1]
    best = {across: (np.full(count, -1, np.float32), np.zeros(count, np.int64)) for across in (True, False)}
    tiles = [(late, early) for late in range(0, count, TILE) for early in range(0, late + 1, TILE)]
    for late, early in bar(tiles, label="comparing"):
        rows, columns = slice(late, late + TILE), slice(early, early + TILE)
        found = deck.likeness(rows, columns)
        if late == early:
            found[np.triu_indices_from(found)] = -1
        across = group[rows, None] != group[None, columns]
        _keep(best[True], np.where(across, found, -1), rows, early)
        _keep(best[False], np.where(across | (found < 1), -1, found), rows, early)
    twins = [_twin(int(first[row]), row, float(strength[row]), across) for across, (strength, first) in best.items()
             for row in np.nonzero(strength >= 0)[0].tolist()]
    return sorted(twins, key=lambda twin: (twin.second, twin.first))


def _keep(best: tuple[Floats, npt.NDArray[np.int64]], found: Floats, rows: slice, early: int) -> None:
    """Let the best of a tile take the place of weaker ones."""
    strength, first = best
    column = found.argmax(axis=1)
    here = found[np.arange(len(found)), column]
    better = here > strength[rows]
    strength[rows] = np.where(better, here, strength[rows])
    first[rows] = np.where(better, early + column, first[rows])


def _twin(first: int, second: int, strength: float, across: bool) -> Twin:
    relation = RELATIONS[int(strength)]
    return Twin(first, second, relation, 1.0 if relation == "same file" else strength % 1, across)


def _correlated(late: Floats, early: Floats, near: npt.NDArray[np.bool_]) -> Floats:
    """[late, early]: correlation of the details of those that are near, at most 0.999; -1 of the others."""
    if near.mean() > FEW:
        return np.where(near, np.minimum(late @ early.T, 0.999), np.float32(-1))
    found = np.full(near.shape, -1, np.float32)
    rows, columns = np.nonzero(near)
    found[rows, columns] = np.minimum(np.einsum("ij,ij->i", late[rows], early[columns]), 0.999)
    return found
