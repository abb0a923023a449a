"""The long answer: by class and box size, over thresholds, what is mistaken for what, and in which pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import Detections
from ..labels import Labelled
from .coco import ALL, Range, mean_where_known, precision_curves
from .matching import Outcome, Pairing, asked_for, hit_scores, outcome_of, pair_up
from .pictures import PictureFaults, confusion_of, faults_of
from .sizes import RANGES, placement_of, sides_of
from .summary import Score, check_paired, score_from
from .thresholds import Point, best_f1, for_alarm, point_at, points, recall_interval
from .voc import voc_ap50

Array = npt.NDArray[Any]
SQUARE = (416, 416)
IOU_75 = 5  # row of the curves


@dataclass(frozen=True)
class SizeDetail:
    """Truths of one class and size. None without truths."""

    truths: int
    ap: float | None  # IoU 0.50 .. 0.95
    ap50: float | None
    recall: float | None  # at the threshold


@dataclass(frozen=True)
class ClassDetail:
    """One class. Fractions, 0 to 1; None without truths."""

    truths: int  # that are not ignored
    ap: float | None  # COCO's, IoU 0.50 .. 0.95
    ap50: float | None
    ap75: float | None
    voc_ap50: float | None  # Pascal VOC's of 2010 and later
    at_conf: Point  # at the default threshold
    recall_interval: tuple[float, float] | None  # 95 % bootstrap over pictures, of the recall at the default threshold
    best_f1: Point | None  # the threshold that balances recall and precision best
    alarm: Point | None  # the highest threshold that still finds 98 % of what 0.05 finds
    thresholds: tuple[Point, ...]  # 0.05, 0.10 .. 0.95
    sizes: Mapping[str, SizeDetail]  # by the box's longer side in pixels of the square
    precision: tuple[float, ...]  # at recall 0, 0.01 .. 1, IoU 0.5; 0 where not reached, empty without truths


@dataclass(frozen=True)
class Detail:
    """Everything that is known of a model on some pictures."""

    score: Score
    conf: float  # the default threshold
    square: tuple[int, int]  # height and width of the network's input, which box sizes refer to
    classes: Mapping[str, ClassDetail]
    confusion: tuple[tuple[int, ...], ...]  # at conf; a row a class and one for nothing there, columns: nothing seen
    pictures: tuple[PictureFaults, ...]  # those with faults at conf, the worst first

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps, without the score, which has its own; never nan."""
        plain = asdict(self)
        del plain["score"]
        return plain


def detail(found: Sequence[Detections], truths: Sequence[Labelled], classes: Sequence[str], conf: float,
           square: tuple[int, int] = SQUARE) -> Detail:
    """Compare what was found in each picture with what is there, thoroughly.

    found: as for `score`. conf: the default threshold. square: height and width of the network's input. Raises
    MineHatError where a picture's size is not known from its labels and cannot be read.
    """
    check_paired(found, truths)
    compared = _compare(found, truths, classes, conf, square)
    outcomes = [outcome_of(row, found, truths, compared.pairings) for row in range(len(classes))]
    tables = [_table(seen[seen.scores >= conf], truth, len(classes))
              for seen, truth in zip(found, truths, strict=True)]
    faults = [faults_of(truth, table, classes) for truth, table in zip(truths, tables, strict=True)]
    return Detail(
        score=score_from(compared.curves[..., 0], outcomes, classes, conf, len(truths)), conf=conf, square=square,
        classes={name: _of_class(row, outcomes[row], compared, conf) for row, name in enumerate(classes)},
        confusion=_as_rows(sum(tables, np.zeros((len(classes) + 1,) * 2, np.int64))),
        pictures=tuple(sorted((one for one in faults if any(one.badness)), key=lambda one: one.badness, reverse=True)))


@dataclass(frozen=True)
class _Compared:
    """What the classes' details are made from. Lists have an item for each picture."""

    truths: Sequence[Labelled]
    pairings: list[Pairing]
    reached: list[Array]  # [m] bool: truths that are hit at conf
    sides: list[Array]  # [m] the truths' longer sides in the square
    curves: Array  # [10 IoU, 101 recalls, classes, 1 + sizes] precision
    voc_ap50: list[float | None]  # by class


def _compare(found: Sequence[Detections], truths: Sequence[Labelled], classes: Sequence[str], conf: float,
             square: tuple[int, int]) -> _Compared:
    pairings = [pair_up(seen, truth) for seen, truth in zip(found, truths, strict=True)]
    placements = [placement_of(truth, square) for truth in truths]
    sides = [sides_of(truth.boxes, placement) for truth, placement in zip(truths, placements, strict=True)]
    found_sides = [sides_of(seen.boxes, placement) for seen, placement in zip(found, placements, strict=True)]
    return _Compared(truths, pairings,
                     [hit_scores(seen, pairing, len(truth.boxes)) >= conf
                      for seen, pairing, truth in zip(found, pairings, truths, strict=True)], sides,
                     precision_curves(found, truths, classes, found_sides, sides, (ALL, *RANGES.values())),
                     [voc_ap50(found, truths, row) for row in range(len(classes))])


def _of_class(row: int, outcome: Outcome, compared: _Compared, conf: float) -> ClassDetail:
    curves = compared.curves[:, :, row]
    asked = [asked_for(truth, row) for truth in compared.truths]
    hits = [int((reached & mask).sum()) for reached, mask in zip(compared.reached, asked, strict=True)]
    return ClassDetail(
        truths=outcome.truths, ap=mean_where_known(curves[..., 0]), ap50=mean_where_known(curves[0, :, 0]),
        ap75=mean_where_known(curves[IOU_75, :, 0]), voc_ap50=compared.voc_ap50[row],
        at_conf=point_at(outcome, conf), recall_interval=recall_interval(hits, [int(mask.sum()) for mask in asked]),
        best_f1=best_f1(outcome), alarm=for_alarm(outcome), thresholds=points(outcome),
        sizes={name: _of_size(curves[..., place], limits, asked, compared)
               for place, (name, limits) in enumerate(RANGES.items(), 1)},
        precision=tuple(round(float(value), 4) for value in curves[0, :, 0]) if outcome.truths else ())


def _of_size(curves: Array, limits: Range, asked: Sequence[Array], compared: _Compared) -> SizeDetail:
    """curves: [10, 101]. asked: truths of the class, of all sizes."""
    low, high = limits
    ours = [mask & (sides >= low) & (sides < high) for mask, sides in zip(asked, compared.sides, strict=True)]
    truths = sum(int(mask.sum()) for mask in ours)
    hits = sum(int((reached & mask).sum()) for reached, mask in zip(compared.reached, ours, strict=True))
    return SizeDetail(truths, mean_where_known(curves), mean_where_known(curves[0]), hits / truths if truths else None)


def _table(seen: Detections, truth: Labelled, classes: int) -> Array:
    return confusion_of(seen, truth, pair_up(seen, truth), classes)


def _as_rows(table: Array) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in table)
