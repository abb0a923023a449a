"""How good detections are on labelled pictures: COCO's average precision, and recall at a threshold."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .detections import MOST, Detections, overlaps
from .errors import missing
from .labels import Labelled

MATCH_IOU = 0.5  # a truth counts as found from this overlap on
Array = npt.NDArray[Any]


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
    if len(found) != len(truths):
        raise ValueError(f"found has {len(found)} pictures, truths {len(truths)}")
    precision = _precision_curves(found, truths, classes)
    by_class = [_mean_where_known(precision[0, :, row]) for row in range(len(classes))]
    return Score(map50=_mean_where_known(precision[0]) or 0.0,
                 map=_mean_where_known(precision) or 0.0,
                 ap50=dict(zip(classes, by_class, strict=True)),
                 recall={name: _recall(found, truths, row, conf) for row, name in enumerate(classes)},
                 images=len(truths))


def _precision_curves(found: Sequence[Detections], truths: Sequence[Labelled],
                      classes: Sequence[str]) -> Array:
    """[10 IoU thresholds, 101 recalls, classes] precision by pycocotools; -1 where a class has no truth."""
    coco, evaluator = _load_pycocotools()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = evaluator(_indexed(coco, _truth_rows(truths), len(truths), classes),
                               _indexed(coco, _found_rows(found), len(truths), classes), "bbox")
        evaluation.params.maxDets = [MOST]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    curves: Array = evaluation.eval["precision"][..., 0, 0]
    return curves


def _indexed(coco: Any, rows: list[dict[str, Any]], images: int, classes: Sequence[str]) -> Any:
    """A pycocotools COCO object. Its ids begin at 1, because 0 means 'no match' to the evaluator."""
    index = coco()
    index.dataset = {"images": [{"id": image} for image in range(1, images + 1)],
                     "categories": [{"id": row, "name": name} for row, name in enumerate(classes)],
                     "annotations": [{"id": row, **values} for row, values in enumerate(rows, 1)]}
    index.createIndex()
    return index


def _truth_rows(truths: Sequence[Labelled]) -> list[dict[str, Any]]:
    # pycocotools overwrites an `ignore` flag by `iscrowd`, and a crowd excuses any box that lies inside
    # it. What it also ignores, with plain IoU, is a truth whose area is outside the range asked for.
    return [{"image_id": image, "category_id": int(label), "bbox": _as_xywh(box), "iscrowd": 0,
             "area": -1.0 if ignored else 1.0}
            for image, truth in enumerate(truths, 1)
            for box, label, ignored in zip(truth.boxes, truth.labels, truth.ignored, strict=True)]


def _found_rows(found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [{"image_id": image, "category_id": int(label), "bbox": _as_xywh(box), "iscrowd": 0,
             "area": 1.0, "score": float(points)}
            for image, seen in enumerate(found, 1)
            for box, points, label in zip(seen.boxes, seen.scores, seen.labels, strict=True)]


def _as_xywh(box: Array) -> list[float]:
    x0, y0, x1, y1 = (float(side) for side in box)
    return [x0, y0, x1 - x0, y1 - y0]


def _mean_where_known(precision: Array) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _recall(found: Sequence[Detections], truths: Sequence[Labelled], label: int, conf: float) -> float | None:
    """Share of the truths of one class that are hit; None where there are none."""
    hits = wanted = 0
    for seen, truth in zip(found, truths, strict=True):
        boxes = truth.boxes[(truth.labels == label) & ~truth.ignored]
        wanted += len(boxes)
        hits += _hits(seen[(seen.labels == label) & (seen.scores >= conf)], boxes)
    return hits / wanted if wanted else None


def _hits(seen: Detections, boxes: Array) -> int:
    """How many true boxes [n, 4] are hit: best score first, each takes the free truth it covers best."""
    free = np.ones(len(boxes), bool)
    for box in seen.boxes[np.argsort(-seen.scores, kind="stable")]:
        shares = np.where(free, overlaps(box, boxes), 0.0)
        if shares.size and shares.max() >= MATCH_IOU:
            free[shares.argmax()] = False
    return int((~free).sum())


def _load_pycocotools() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as exc:
        raise missing("pycocotools", "score detections", "`pip install 'minehat[bench]'`.") from exc
    return COCO, COCOeval
