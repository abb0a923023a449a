"""COCO's average precision, as pycocotools works it out: 101 recalls, ten overlaps, up to 300 boxes a picture."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import MOST, Detections
from ..errors import missing
from ..labels import Labelled

Array = npt.NDArray[Any]
Range = tuple[float, float]  # from, and up to but not including
Sides = Sequence[Array]  # the length of each box, for each picture
ALL: Range = (0.0, 1e10)


def precision_curves(found: Sequence[Detections], truths: Sequence[Labelled], classes: Sequence[str],
                     found_sides: Sides | None = None, truth_sides: Sides | None = None,
                     ranges: Sequence[Range] = (ALL,)) -> Array:
    """[10 IoU 0.50, 0.55 .. 0.95; 101 recalls 0, 0.01 .. 1; classes; ranges of the boxes' lengths] precision.

    -1 where a class has no truth in a range. As with COCO's areas, in a range truths of other lengths are ignored,
    and so are detections of other lengths that hit nothing. Any unit of length does; lengths may be left away where
    there is no range but ALL.
    """
    evaluation = matched(found, truths, classes, found_sides, truth_sides, ranges)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    curves: Array = evaluation.eval["precision"][..., 0]
    return curves


def matched(found: Sequence[Detections], truths: Sequence[Labelled], classes: Sequence[str],
            found_sides: Sides | None = None, truth_sides: Sides | None = None, ranges: Sequence[Range] = (ALL,),
            ious: Sequence[float] | None = None) -> Any:
    """A pycocotools COCOeval that knows which detection hits which truth, and has summed nothing up yet.

    ious: at which overlaps, the ten of COCO where none are given; the rest is as for `precision_curves`.
    """
    coco, evaluator = _load_pycocotools()
    truth_sides = [np.ones(len(truth.boxes)) for truth in truths] if truth_sides is None else truth_sides
    found_sides = [np.ones(len(seen)) for seen in found] if found_sides is None else found_sides
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = evaluator(_indexed(coco, _truth_rows(truths, truth_sides), len(truths), classes),
                               _indexed(coco, _found_rows(found, found_sides), len(truths), classes), "bbox")
        evaluation.params.maxDets = [MOST]
        evaluation.params.areaRng = [[low, math.nextafter(high, 0.0)] for low, high in ranges]
        evaluation.params.areaRngLbl = [f"{low:g}-{high:g}" for low, high in ranges]
        if ious is not None:
            evaluation.params.iouThrs = np.asarray(ious, np.float64)
        evaluation.evaluate()
    return evaluation


def mean_where_known(precision: Array) -> float | None:
    """The mean of what is not -1; None where all is."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _indexed(coco: Any, rows: list[dict[str, Any]], images: int, classes: Sequence[str]) -> Any:
    """A pycocotools COCO object. Its ids begin at 1, because 0 means 'no match' to the evaluator."""
    index = coco()
    index.dataset = {"images": [{"id": image} for image in range(1, images + 1)],
                     "categories": [{"id": row, "name": name} for row, name in enumerate(classes)],
                     "annotations": [{"id": row, **values} for row, values in enumerate(rows, 1)]}
    index.createIndex()
    return index


def _truth_rows(truths: Sequence[Labelled], sides: Sides) -> list[dict[str, Any]]:
    # pycocotools overwrites an `ignore` flag by `iscrowd`, and a crowd excuses any box that lies inside
    # it. What it also ignores, with plain IoU, is a truth whose area is outside the range asked for.
    # Areas serve it for nothing else, so that any length will do.
    return [{"image_id": image, "category_id": int(label), "bbox": _as_xywh(box), "iscrowd": 0,
             "area": -1.0 if ignored else float(side)}
            for image, (truth, lengths) in enumerate(zip(truths, sides, strict=True), 1)
            for box, label, ignored, side in zip(truth.boxes, truth.labels, truth.ignored, lengths, strict=True)]


def _found_rows(found: Sequence[Detections], sides: Sides) -> list[dict[str, Any]]:
    return [{"image_id": image, "category_id": int(label), "bbox": _as_xywh(box), "iscrowd": 0,
             "area": float(side), "score": float(points)}
            for image, (seen, lengths) in enumerate(zip(found, sides, strict=True), 1)
            for box, points, label, side in zip(seen.boxes, seen.scores, seen.labels, lengths, strict=True)]


def _as_xywh(box: Array) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in box)
    return [x0, y0, x1 - x0, y1 - y0]


def _load_pycocotools() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as exc:
        raise missing("pycocotools", "score detections", "`pip install 'minehat[bench]'`.") from exc
    return COCO, COCOeval
