"""Greedy suppression as a fixed point of ordinary ONNX operators, for builders that have none of their own.

Greedy says: a box is kept unless a better one of its class that is kept overlaps it by more than `iou`. Read as a
rule for all boxes at once, `kept = not (suppresses @ kept)`, and applied again and again, each step settles the boxes
one link further down the chains of who suppresses whom.

What is not settled is bracketed. `sure` holds the pairs that overlap too much for certain, `maybe` also those that
FP32 cannot tell from the threshold, or whose areas it cannot hold. From "all are kept" on, steps by turns
    least = not (maybe @ most)      boxes that are kept whatever becomes of the rest
    most = not (sure @ least)       boxes that may be kept
give by induction least <= kept <= most: a step turns an upper bound into a lower one and back, and the last is an
upper one. Where both agree, they are what greedy keeps in float64, and `converged` is true. Where not, greedy over
`most` still gives exactly that: it holds every kept box, and each other box of it is suppressed by a kept one, as
greedy's definition says; so the host finishes with `minehat.detections.suppressed`.
"""

from __future__ import annotations

import numpy as np

from ..card import ModelCard
from .topk import GREATEST, BestRows
from .writer import Writer

PAIRS = 6  # of steps: chains of 12 links settle; the longest seen in crowds of 300 had 8
SLACK = 2.0**-18  # relative; rounding adds up to about 2**-20 in the few FP32 operations of an overlap
TAME = (2.0**-60, 2.0**100)  # areas whose products FP32 holds with all its digits


def suppressed_inside(write: Writer, best: BestRows, card: ModelCard, most: int, all_are_in: bool) -> None:
    """Write the outputs of `OUTPUTS["graph"]`, K = `most` rows a picture.

    The floor is `card.conf`, the overlap `card.iou`. all_are_in: no box was left out for want of candidates;
    otherwise, where all K are over the floor, all of them come out, unsuppressed and not `converged`. `count` is -1
    where scores are not finite, or no box is.
    """
    sound = write("Less", write("Abs", best.ranks), write.constant(GREATEST))
    over = write("And", sound, write("GreaterOrEqual", best.ranks, write.constant(card.conf)))
    valid = write.cast(over, "FLOAT")
    labels = labels_of(write, best.scores, best.ranks, len(card.classes))
    boxes = write("Where", write.widened(sound, 2), best.boxes, write.constant(0))
    earlier = _earlier(write, best)
    least, kept = _steps(write, valid, *_overlaps(write, boxes, labels, earlier, card.iou))
    converged = _none(write, write("Sub", kept, least))
    if not all_are_in:
        crowded = write.widened(write.reduced("Min", valid, 1), 1)
        kept = write("Max", kept, crowded)
        converged = write("And", converged, _none(write, crowded))
    write.node("Identity", (converged,), ["converged"])
    order = write.reduced("Sum", write.cast(earlier, "FLOAT"), 2)
    count = write.reduced("Sum", kept, 1)
    _compacted(write, boxes, best.ranks, labels, kept, order, count, most)
    broken = write("GreaterOrEqual", write("Abs", write.reduced("Max", best.ranks, 1)), write.constant(GREATEST))
    write.cast(write("Where", broken, write.constant(-1), count), "INT64", "count")


def labels_of(write: Writer, scores: str, best: str, classes: int) -> str:
    """[N, K] float32: the lowest class whose score [N, K, C] is the best [N, K]; `classes` where none is."""
    mine = write("Equal", scores, write.widened(best, 2))
    numbers = write("Where", mine, write.constant(np.arange(classes)), write.constant(classes))
    return write.reduced("Min", numbers, 2)


def _earlier(write: Writer, best: BestRows) -> str:
    """[N, K, K] bool: row j comes before row i, by score, then by its place in the network's output.

    Not every runtime's TopK settles ties.
    """
    mine, other = write.widened(best.ranks, 2), write.widened(best.ranks, 1)
    rows = write.cast(best.rows, "FLOAT")
    before = write("Less", write.widened(rows, 1), write.widened(rows, 2))
    tied = write("And", write("Equal", other, mine), before)
    name: str = write("Or", write("Greater", other, mine), tied)
    return name


def _overlaps(write: Writer, boxes: str, labels: str, earlier: str, iou: float) -> tuple[str, str]:
    """[N, K, K] float32, 1 where row j suppresses row i: for certain, and perhaps.

    shared / (a + b - shared) > iou is shared > share * (a + b): no difference of like numbers loses digits.
    """
    parts = write.constant([1, 1, 1, 1], np.int64)
    mine = write("Split", boxes, parts, outputs=4, axis=2)
    other = write("Split", write("Transpose", boxes, perm=[0, 2, 1]), parts, outputs=4, axis=1)
    sides = [write("Relu", write("Sub", write("Min", mine[high], other[high]), write("Max", mine[low], other[low])))
             for low, high in ((0, 2), (1, 3))]
    shared = write("Mul", *sides)
    same = write("Equal", write.widened(labels, 2), write.widened(labels, 1))
    ours = write("And", same, earlier)
    found = []
    for least in _least_shared(write, mine, iou / (1 + iou)):
        enough = write("Add", least, write("Transpose", least, perm=[0, 2, 1]))
        found.append(write.cast(write("And", ours, write("Greater", shared, enough)), "FLOAT"))
    return found[0], found[1]


def _least_shared(write: Writer, edges: list[str], share: float) -> tuple[str, str]:
    """[N, K, 1] each: what a box adds to the least shared area that suppresses for certain, and that may.

    Where its area is beyond what FP32 holds, nothing is certain and everything may be.
    """
    wide, high = (write("Relu", write("Sub", edges[end], edges[begin])) for begin, end in ((0, 2), (1, 3)))
    area = write("Mul", wide, high)
    empty = write("LessOrEqual", write("Min", wide, high), write.constant(0))
    tame = write("And", write("LessOrEqual", area, write.constant(TAME[1])),
                 write("Or", empty, write("GreaterOrEqual", area, write.constant(TAME[0]))))
    sure = write("Where", tame, write("Mul", area, write.constant(share * (1 + SLACK))), write.constant(GREATEST))
    maybe = write("Where", tame, write("Mul", area, write.constant(share * (1 - SLACK))), write.constant(-GREATEST))
    return sure, maybe


def _steps(write: Writer, valid: str, sure: str, maybe: str) -> tuple[str, str]:
    """[N, K] each, 1 where a box is kept: the lower and the upper bound."""
    least = kept = valid
    for _ in range(PAIRS):
        least = _spared(write, valid, maybe, kept)
        kept = _spared(write, valid, sure, least)
    return least, kept


def _spared(write: Writer, valid: str, suppresses: str, kept: str) -> str:
    """[N, K]: 1 for those of `valid` that none of `kept` suppresses.

    No MatMul: TensorRT-RTX has none in FP32 for sm_75.
    """
    hits = write.reduced("Max", write("Mul", suppresses, write.widened(kept, 1)), 2)
    name: str = write("Relu", write("Sub", valid, hits))
    return name


def _compacted(write: Writer, boxes: str, ranks: str, labels: str, kept: str, order: str, count: str,
               most: int) -> None:
    """The rows kept to the front, best first, as boxes, scores and labels; zeros behind them."""
    behind = write("Mul", write("Sub", write.constant(1), kept), write.constant(most))
    place = write("Add", order, behind)
    _, rows = write("TopK", place, write.constant([most], np.int64), outputs=2, axis=1, largest=0)
    inside = write("Less", write.constant(np.arange(most)[None]), write.widened(count, 1))
    nothing = write.constant(0)
    write.node("Where", (write.widened(inside, 2), write.rows(boxes, rows, 4), nothing), ["boxes"])
    write.node("Where", (inside, write("GatherElements", ranks, rows, axis=1), nothing), ["scores"])
    write.cast(write("Where", inside, write("GatherElements", labels, rows, axis=1), nothing), "INT64", "labels")


def _none(write: Writer, kept: str) -> str:
    """[N] bool: nothing of [N, K] is set."""
    name: str = write("Less", write.reduced("Sum", kept, 1), write.constant(0.5))
    return name
