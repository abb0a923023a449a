"""What a threshold on the score does to one class, and which thresholds are worth having."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .matching import Outcome

LISTED = tuple(step / 20 for step in range(1, 20))  # 0.05 .. 0.95
FINE = tuple(step / 100 for step in range(1, 100))  # where the best ones are looked for
LOW = 0.05  # the recall here is what a threshold could reach at most
KEPT = 0.98  # share of it that the alarm threshold keeps


@dataclass(frozen=True)
class Point:
    """One class at one threshold: detections of score >= threshold count. Fractions, 0 to 1."""

    threshold: float
    recall: float | None  # of the truths, how many are hit; None without truths
    precision: float | None  # of the detections, how many hit; None without detections
    f1: float | None  # harmonic mean of the two; None without truths
    false_alarms: int  # detections that hit nothing


def point_at(outcome: Outcome, threshold: float) -> Point:
    """The class at one threshold."""
    hits, false = int((outcome.hits >= threshold).sum()), int((outcome.false >= threshold).sum())
    return Point(threshold, hits / outcome.truths if outcome.truths else None,
                 hits / (hits + false) if hits + false else None,
                 2 * hits / (outcome.truths + hits + false) if outcome.truths else None, false)


def points(outcome: Outcome, thresholds: Sequence[float] = LISTED) -> tuple[Point, ...]:
    """The class at each of the thresholds."""
    return tuple(point_at(outcome, threshold) for threshold in thresholds)


def best_f1(outcome: Outcome) -> Point | None:
    """Where recall and precision balance best; of equal thresholds the lowest. None without truths."""
    return max(points(outcome, FINE), key=lambda point: point.f1 or 0.0) if outcome.truths else None


def for_alarm(outcome: Outcome) -> Point | None:
    """The highest threshold that still finds 98 % of what 0.05 finds; None where that is nothing.

    A daemon that asks for several frames before it sounds bears more false boxes than misses: this throws away
    what finds nobody, and nobody who is found.
    """
    least = KEPT * int((outcome.hits >= LOW).sum())
    if not least:
        return None
    return max((point for point in points(outcome, FINE) if (outcome.hits >= point.threshold).sum() >= least),
               key=lambda point: point.threshold)


def recall_interval(hits: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64], resamples: int = 1000,
                    seed: int = 0) -> tuple[float, float] | None:
    """95 % bootstrap interval of a recall; None where nothing is wanted.

    hits, wanted: [pictures] found and to be found in each. Pictures are drawn, not truths: those of one picture
    are found or missed together.
    """
    if not wanted.sum():
        return None
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, len(wanted), len(wanted)) for _ in range(resamples))
    sums = np.array([(hits[rows].sum(), wanted[rows].sum()) for rows in draws])
    sums = sums[sums[:, 1] > 0]
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return float(low), float(high)
