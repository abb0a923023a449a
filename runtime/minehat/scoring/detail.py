"""The long answer: by class and box size, over thresholds, what is mistaken for what, and in which pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import Detections
from ..labels import Labelled
from ..letterbox import Placement
from .coco import ALL, mean_where_known, precision_curves
from .matching import Outcome, Pairing, hit_truths, loosely_hit, outcome_of, pair_all
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
    loose: int  # of those not found at the default threshold, how many have a box of IoU 0.2 to 0.5
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
    placements = [placement_of(truth, square) for truth in truths]
    seen = [one[one.scores >= conf] for one in found]
    pairings = pair_all(seen, truths)
    rows = _rows(seen, truths, pairings, placements)
    curves = precision_curves(found, truths, classes, _sides([one.boxes for one in found], placements),
                              _sides([truth.boxes for truth in truths], placements), (ALL, *RANGES.values()))
    everything = pair_all(found, truths)
    outcomes = [outcome_of(label, found, truths, everything) for label in range(len(classes))]
    tables = [confusion_of(one, truth, pairing, len(classes))
              for one, truth, pairing in zip(seen, truths, pairings, strict=True)]
    faults = [faults_of(truth, table, classes) for truth, table in zip(truths, tables, strict=True)]
    return Detail(
        score=score_from(curves[..., 0], outcomes, classes, conf, len(truths)), conf=conf, square=square,
        classes={name: _of_class(rows.of(label), outcomes[label], curves[:, :, label], conf, len(truths),
                                 voc_ap50(found, truths, label)) for label, name in enumerate(classes)},
        confusion=_as_lists(sum(tables, np.zeros((len(classes) + 1,) * 2, np.int64))),
        pictures=tuple(sorted((one for one in faults if any(one.badness)), key=lambda one: one.badness, reverse=True)))


@dataclass(frozen=True)
class _Rows:
    """The truths of all pictures that are not ignored, one a row."""

    picture: Array  # [m] which of the pictures
    label: Array
    side: Array  # longer side in the square
    hit: Array  # bool, at conf
    loose: Array  # bool: not hit, but nearly

    def of(self, label: int) -> _Rows:
        """Those of one class."""
        mine = self.label == label
        return _Rows(*(getattr(self, column.name)[mine] for column in fields(self)))


def _rows(seen: Sequence[Detections], truths: Sequence[Labelled], pairings: Sequence[Pairing],
          placements: Sequence[Placement]) -> _Rows:
    asked = np.concatenate([np.zeros(0, bool), *(~truth.ignored for truth in truths)])
    columns = ([np.full(len(truth.boxes), picture) for picture, truth in enumerate(truths)],
               [truth.labels for truth in truths], _sides([truth.boxes for truth in truths], placements),
               [hit_truths(truth, pairing) for truth, pairing in zip(truths, pairings, strict=True)],
               list(map(loosely_hit, seen, truths, pairings)))
    return _Rows(*(np.concatenate([asked[:0], *column])[asked] for column in columns))


def _sides(boxes: Sequence[Array], placements: Sequence[Placement]) -> list[Array]:
    return [sides_of(one, placement) for one, placement in zip(boxes, placements, strict=True)]


def _of_class(rows: _Rows, outcome: Outcome, curves: Array, conf: float, pictures: int,
              voc: float | None) -> ClassDetail:
    """rows: of the class alone. curves: [10 IoU, 101 recalls, 1 + sizes] precision."""
    hits, wanted = (np.bincount(which, minlength=pictures) for which in (rows.picture[rows.hit], rows.picture))
    return ClassDetail(
        truths=outcome.truths, ap=mean_where_known(curves[..., 0]), ap50=mean_where_known(curves[0, :, 0]),
        ap75=mean_where_known(curves[IOU_75, :, 0]), voc_ap50=voc, at_conf=point_at(outcome, conf),
        recall_interval=recall_interval(hits, wanted), loose=int(rows.loose.sum()), best_f1=best_f1(outcome),
        alarm=for_alarm(outcome), thresholds=points(outcome),
        sizes={name: _of_size(rows.hit[(rows.side >= low) & (rows.side < high)], curves[..., place])
               for place, (name, (low, high)) in enumerate(RANGES.items(), 1)},
        precision=tuple(round(float(value), 4) for value in curves[0, :, 0]) if outcome.truths else ())


def _of_size(hit: Array, curves: Array) -> SizeDetail:
    """hit: [m] bool, the truths of a class and size. curves: [10, 101]."""
    return SizeDetail(len(hit), mean_where_known(curves), mean_where_known(curves[0]),
                      float(hit.mean()) if len(hit) else None)


def _as_lists(table: Array) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in table)
