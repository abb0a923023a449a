"""The short answer: COCO's average precision, and recall at a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy.typing as npt

from ..detections import Detections
from ..labels import Labelled
from .coco import mean_where_known, precision_curves
from .matching import Outcome, outcome_of, pair_all
from .thresholds import point_at


@dataclass(frozen=True)
class Score:
    """Fractions, 0 to 1. A class without a truth in these pictures has None and is left out of the means."""

    map50: float  # mean over classes of the average precision at IoU 0.5; 0 where nothing was to be found
    map: float  # the same, averaged over IoU 0.50, 0.55 .. 0.95
    ap50: Mapping[str, float | None]  # by class name
    recall: Mapping[str, float | None]  # by class name: share of truths found with score >= conf, IoU >= 0.5
    images: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps; never nan."""
        return asdict(self)


def score(found: Sequence[Detections], truths: Sequence[Labelled], classes: Sequence[str],
          conf: float) -> Score:
    """Compare what was found in each picture with what is there.

    found: row i belongs to truths[i], boxes in pixels of that picture, suppressed with a threshold far
    below `conf` (0.001), or the precision curve has no tail. conf: the threshold of the recall columns.
    Average precision is COCO's (101 points, up to 300 boxes a picture). An ignored truth is neither
    asked for nor held against the box that hits it, by plain IoU; other boxes near it are not excused.
    """
    check_paired(found, truths)
    pairings = pair_all(found, truths)
    outcomes = [outcome_of(row, found, truths, pairings) for row in range(len(classes))]
    return score_from(precision_curves(found, truths, classes)[..., 0], outcomes, classes, conf, len(truths))


def score_from(precision: npt.NDArray[Any], outcomes: Sequence[Outcome], classes: Sequence[str], conf: float,
               images: int) -> Score:
    """The score that precision [10, 101, classes] and the classes' outcomes amount to."""
    by_class = [mean_where_known(precision[0, :, row]) for row in range(len(classes))]
    recalls = [point_at(outcome, conf).recall for outcome in outcomes]
    return Score(map50=mean_where_known(precision[0]) or 0.0, map=mean_where_known(precision) or 0.0,
                 ap50=dict(zip(classes, by_class, strict=True)), recall=dict(zip(classes, recalls, strict=True)),
                 images=images)


def check_paired(found: Sequence[Detections], truths: Sequence[Labelled]) -> None:
    """Raise ValueError where the two are not of the same pictures."""
    if len(found) != len(truths):
        raise ValueError(f"found has {len(found)} pictures, truths {len(truths)}")
