"""Is one model worse than another on the same pictures? Bootstrap intervals of the difference, pictures drawn.

Both models are scored on the same draw each time, so what is hard about a picture cancels out and the interval is
that of the difference alone. A draw is a count for each picture; nothing is matched anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import Detections
from ..labels import Labelled
from .coco import matched
from .matching import MATCH_IOU, asked_for, pair_all
from .summary import check_paired

Array = npt.NDArray[Any]
RECALLS = np.linspace(0.0, 1.0, 101)  # at which COCO reads the precision
BLOCK = 250  # draws at a time, which bounds memory


@dataclass(frozen=True)
class Interval:
    """By how much b falls short of a; negative where b is better. Fractions: 0.01 is a point."""

    drop: float  # on the pictures as they are
    low: float  # low to high: two-sided 95 %
    high: float
    bound: float  # one-sided 95 %: the drop is hardly more


def paired_recall_drop(hits_a: Array, hits_b: Array, wanted: Array, resamples: int = 2000,
                       seed: int = 0) -> Interval | None:
    """How much of a's recall b loses; None where nothing is wanted.

    hits_a, hits_b, wanted: [pictures] found by each and to be found in each, of a class at a threshold (`hits_of`).
    """
    ours, theirs, asked = (np.asarray(column, np.float64) for column in (hits_a, hits_b, wanted))

    def drops(weights: Array) -> Array:
        total = weights @ asked
        lost: Array = np.divide(weights @ (ours - theirs), total, out=np.full(len(weights), np.nan), where=total > 0)
        return lost

    return _interval(drops, len(asked), resamples, seed)


def paired_map50_drop(found_a: Sequence[Detections], found_b: Sequence[Detections], truths: Sequence[Labelled],
                      classes: Sequence[str], resamples: int = 2000, seed: int = 0) -> Interval | None:
    """How much of a's mAP50, COCO's as `score` gives it, b loses; None where there is nothing to find.

    found_a, found_b: as for `score`, row i belongs to truths[i]. In a draw without any truth of a class, the mean is
    that of the others, as it is in `score`.
    """
    ours, theirs = (ranked(found, truths, classes) for found in (found_a, found_b))
    return ranked_map50_drop(ours, theirs, resamples, seed)


def ranked_map50_drop(ours: Sequence[Ranked], theirs: Sequence[Ranked], resamples: int = 2000,
                      seed: int = 0) -> Interval | None:
    """The same for models that are `ranked` already: matching takes longer than the draws."""
    pictures = len(ours[0].wanted) if ours else 0
    return _interval(lambda weights: map50_of(ours, weights) - map50_of(theirs, weights), pictures, resamples, seed)


def hits_of(found: Sequence[Detections], truths: Sequence[Labelled], label: int, conf: float) -> tuple[Array, Array]:
    """[pictures] int64: truths of a class that are hit from score `conf` on at IoU 0.5, and those to be hit."""
    check_paired(found, truths)
    hits = [int(((seen.labels == label) & (pairing.hits >= 0) & (seen.scores >= conf)).sum())
            for seen, pairing in zip(found, pair_all(found, truths), strict=True)]
    return np.array(hits, np.int64), np.array([int(asked_for(truth, label).sum()) for truth in truths], np.int64)


@dataclass(frozen=True)
class Ranked:
    """One class of one model over all pictures: its hits, best score first. Misses count only above a hit."""

    picture: Array  # [hits] int64
    above: Array  # [pictures, hits] float32: false detections of each picture that rank above each hit
    wanted: Array  # [pictures] float64: truths that are not ignored


def ranked(found: Sequence[Detections], truths: Sequence[Labelled], classes: Sequence[str]) -> list[Ranked]:
    """Each class, matched at IoU 0.5 as pycocotools does. Worth keeping where a model is compared with several."""
    check_paired(found, truths)
    if not truths:
        return []
    pictures = np.array(matched(found, truths, classes, ious=[MATCH_IOU]).evalImgs, object)
    return [_ranked(of_class) for of_class in pictures.reshape(len(classes), len(truths))]


def map50_of(model: Sequence[Ranked], weights: Array) -> Array:
    """[draws] mAP50 where picture p stands weights[draw, p] times; nan where a draw holds no truth of any class."""
    if not model:
        return np.full(len(weights), np.nan)
    precisions = np.array([_average_precision(one, weights) for one in model])
    known = ~np.isnan(precisions)
    total = known.sum(axis=0)
    means: Array = np.divide(np.where(known, precisions, 0.0).sum(axis=0), total,
                             out=np.full(len(weights), np.nan), where=total > 0)
    return means


def _ranked(evaluated: Array) -> Ranked:
    """evaluated: [pictures] what pycocotools knows of one class in each picture; None where nothing is there."""
    known = [(row, one) for row, one in enumerate(evaluated) if one is not None]
    wanted = np.zeros(len(evaluated))
    for row, one in known:
        wanted[row] = np.count_nonzero(~np.asarray(one["gtIgnore"], bool))
    none = np.zeros(0)
    scores = np.concatenate([none, *(one["dtScores"] for _, one in known)])
    picture = np.concatenate([none, *(np.full(len(one["dtScores"]), row) for row, one in known)]).astype(np.int64)
    hit = np.concatenate([none, *(one["dtMatches"][0] for _, one in known)]) > 0
    counts = np.concatenate([none, *(one["dtIgnore"][0] for _, one in known)]) == 0
    order = np.argsort(-scores, kind="stable")
    order = order[counts[order]]
    hit, picture = hit[order], picture[order]
    rank = np.cumsum(hit)[~hit]  # of a false detection: how many hits rank above it
    between = np.zeros((len(evaluated), int(hit.sum()) + 1), np.float32)
    np.add.at(between, (picture[~hit], rank), 1)
    return Ranked(picture[hit], np.cumsum(between, axis=1)[:, :-1], wanted)


def _average_precision(one: Ranked, weights: Array) -> Array:
    """[draws] COCO's 101-point average precision; nan where a draw holds no truth."""
    hits = np.cumsum(weights[:, one.picture], axis=1, dtype=np.float64)
    false = weights.astype(np.float32) @ one.above
    precision = hits / (hits + false + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.pad(envelope, [(0, 0), (0, 1)])  # recalls that are not reached have precision 0
    total = weights @ one.wanted
    return np.array([row[np.searchsorted(recalled / asked, RECALLS)].mean() if asked else np.nan
                     for row, recalled, asked in zip(envelope, hits, total, strict=True)])


def _interval(drops: Callable[[Array], Array], pictures: int, resamples: int, seed: int) -> Interval | None:
    """drops: weights [draws, pictures] -> [draws], nan where a draw says nothing."""
    (drop,) = drops(np.ones((1, pictures)))
    if np.isnan(drop):
        return None
    drawn = np.concatenate([drops(weights) for weights in _draws(pictures, resamples, seed)])
    low, high, bound = np.nanpercentile(drawn, [2.5, 97.5, 95])
    return Interval(float(drop), float(low), float(high), float(bound))


def _draws(pictures: int, resamples: int, seed: int) -> Iterator[Array]:
    """Blocks of float64 [draws, pictures]: how often each picture is drawn."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, BLOCK):
        yield rng.multinomial(pictures, np.full(pictures, 1 / pictures), min(BLOCK, resamples - start)).astype(float)
