"""Which detection stands for which truth in a picture, at IoU 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import Detections, overlaps
from ..labels import Labelled

MATCH_IOU = 0.5  # a truth counts as found from this overlap on
LOOSE_IOU = 0.2  # somebody was seen here, but boxed otherwise
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pairing:
    """Row i of every column is detection i; truths are rows of the picture's Labelled, -1 where there is none."""

    hits: Array  # [n] int64: the truth of its own class that it hits
    mistaken: Array  # [n] int64: if it hits none, the truth of another class that it lies on and nobody hits
    excused: Array  # [n] bool: it hits none, and lies on an ignored truth of whatever class


@dataclass(frozen=True)
class Outcome:
    """What became of the detections and truths of one class over all pictures."""

    hits: Array  # [k] float32: scores of detections that hit a truth
    false: Array  # [l] float32: scores of those that hit none and are not excused
    truths: int  # that are not ignored


def pair_up(seen: Detections, truth: Labelled) -> Pairing:
    """Best score first, each detection takes the free truth of its class that it covers best, from IoU 0.5 on.

    So what hits is the same at every threshold below its score. What is mistaken is not: threshold first.
    """
    shares = overlap_table(seen.boxes, truth.boxes)
    same = seen.labels[:, None] == truth.labels
    hits = _taken(np.where(same & ~truth.ignored, shares, 0.0), seen.scores)
    excused = (hits < 0) & (shares[:, truth.ignored] >= MATCH_IOU).any(axis=1)
    left = np.isin(np.arange(len(truth.boxes)), hits, invert=True)
    others = ~same & left & ~truth.ignored & (hits < 0)[:, None] & ~excused[:, None]
    return Pairing(hits, _taken(np.where(others, shares, 0.0), seen.scores), excused)


def pair_all(found: Sequence[Detections], truths: Sequence[Labelled]) -> list[Pairing]:
    """Picture by picture."""
    return [pair_up(seen, truth) for seen, truth in zip(found, truths, strict=True)]


def outcome_of(label: int, found: Sequence[Detections], truths: Sequence[Labelled],
               pairings: Sequence[Pairing]) -> Outcome:
    """All detections and truths of one class."""
    hits = [seen.scores[(seen.labels == label) & (pairing.hits >= 0)]
            for seen, pairing in zip(found, pairings, strict=True)]
    false = [seen.scores[(seen.labels == label) & (pairing.hits < 0) & ~pairing.excused]
             for seen, pairing in zip(found, pairings, strict=True)]
    empty = np.zeros(0, np.float32)
    return Outcome(np.concatenate([empty, *hits]), np.concatenate([empty, *false]),
                   sum(int(asked_for(truth, label).sum()) for truth in truths))


def asked_for(truth: Labelled, label: int) -> Array:
    """[m] bool: the truths of a class that are not ignored."""
    asked: Array = (truth.labels == label) & ~truth.ignored
    return asked


def hit_truths(truth: Labelled, pairing: Pairing) -> Array:
    """[m] bool: the truths that are hit."""
    hit: Array = np.isin(np.arange(len(truth.boxes)), pairing.hits)
    return hit


def loosely_hit(seen: Detections, truth: Labelled, pairing: Pairing) -> Array:
    """[m] bool: truths that nobody hits, but that a detection of their class that hits none lies on by IoU 0.2 to 0.5.

    Boxes drawn by another rule than the labels' (with or without the chin, the brim, the neck) end so.
    """
    missed = ~truth.ignored & ~hit_truths(truth, pairing)
    pairs = (seen.labels[:, None] == truth.labels) & missed & ((pairing.hits < 0) & ~pairing.excused)[:, None]
    taken = _taken(np.where(pairs, overlap_table(seen.boxes, truth.boxes), 0.0), seen.scores, LOOSE_IOU)
    hit: Array = np.isin(np.arange(len(truth.boxes)), taken)
    return hit


def overlap_table(boxes: Array, others: Array) -> Array:
    """IoU of [n, 4] boxes with [m, 4] others, float64 [n, m]."""
    table = np.zeros((len(boxes), len(others)))
    for column, other in enumerate(others):
        table[:, column] = overlaps(other, boxes)
    return table


def _taken(shares: Array, scores: Array, least: float = MATCH_IOU) -> Array:
    """[n] the column that each row of shares [n, m] takes from `least` on, highest score first; -1 for none."""
    taken = np.full(len(scores), -1, np.int64)
    free = np.ones(shares.shape[1], bool)
    near = np.flatnonzero((shares >= least).any(axis=1))
    for row in near[np.argsort(-scores[near], kind="stable")]:
        left = np.where(free, shares[row], 0.0)
        if left.max() >= least:
            taken[row] = left.argmax()
            free[taken[row]] = False
    return taken
