"""What a network answers with, by how much of the suppression is inside it, and what that says of one picture.

An answer is the tuple of arrays that a backend gives, in the order of `minehat.card.OUTPUTS`:
none, topk   boxes float32 [N, B, 4], scores float32 [N, B, C]
graph        boxes float32 [N, K, 4], scores float32 [N, K], labels int64 [N, K], count int64 [N], converged bool [N]
plugin       the first four of these
Boxes are x0 y0 x1 y1 in pixels of the square. Of K rows the first `count` are meant, the best first.
Where the card says `decode: outside`, it is float32 maps [N, a * (5 + C), h, w], fine to coarse: minehat.decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .card import ModelCard
from .decoding import boxes_over, channels_of, is_map
from .detections import MOST, Detections, suppress, suppressed
from .errors import MineHatError

Array = npt.NDArray[Any]
OPEN = ("none", "topk")  # suppressed by the host, at any threshold


def check_answer(answer: Sequence[Array], card: ModelCard, path: Path) -> None:
    """Raise MineHatError where an answer has another shape than its card says, or is not finite.

    NaN would look like a frame without anybody.
    """
    if card.decode == "outside":
        _check_maps(answer, card, path)
        return
    boxes, scores = answer[:2]
    classes = (len(card.classes),) if card.suppression in OPEN else ()
    if boxes.shape[2:] != (4,) or scores.shape != boxes.shape[:2] + classes:
        raise MineHatError(f"{path} gave boxes {boxes.shape} and scores {scores.shape}; wanted [N, B, 4] and "
                           f"[N, B{''.join(f', {count}' for count in classes)}]. Its card does not fit it.")
    dead = boxes.size and not np.isfinite(boxes[..., 0]).any()
    if dead or not np.isfinite(scores).all() or (card.suppression not in OPEN and (answer[3] < 0).any()):
        raise _not_finite(path)


def _check_maps(maps: Sequence[Array], card: ModelCard, path: Path) -> None:
    """The maximum of a map is NaN where anything in it is."""
    if not all(one.ndim == 4 and is_map(one.shape[1:], card) for one in maps):
        raise MineHatError(f"{path} gave maps {', '.join(str(one.shape) for one in maps)}; wanted [N, "
                           f"{channels_of(card)}, h, w] that divide {card.size_text}. Its card does not fit it.")
    if any(np.isnan(one.max(initial=0)) for one in maps):
        raise _not_finite(path)


def _not_finite(path: Path) -> MineHatError:
    return MineHatError(f"{path} gave answers that are not finite, and would see nothing: the file is broken, or "
                        "it overflows in FP16. Export it again, or use its FP32 form.")


def check_asked(card: ModelCard, path: Path, conf: float, iou: float) -> None:
    """Raise MineHatError where thresholds are asked for that the graph has not been made for."""
    if card.suppression in OPEN:
        return
    if conf < card.conf:
        raise MineHatError(f"{path} suppresses inside, and boxes under {card.conf:g} never leave it; scores from "
                           f"{conf:g} on are wanted. Take the model that it was made from, or one made with --nms topk "
                           f"(to detect, --conf {card.conf:g} or more will do).")
    if iou != card.iou:
        raise MineHatError(f"{path} suppresses inside, at an overlap of {card.iou:g}; {iou:g} is wanted. Leave --iou "
                           "away, or take the model that it was made from.")


def check_no_plugin(card: ModelCard, path: Path, library: str) -> None:
    """Raise MineHatError where the model wants a plugin of TensorRT, which `library` has not."""
    if card.suppression == "plugin":
        raise MineHatError(f"{path} suppresses by EfficientNMS_TRT (--nms plugin), a plugin that full TensorRT has and "
                           f"{library} has not. Take the model that it was made from, plain or with --nms graph.")


def found_in(answer: Sequence[Array], card: ModelCard, conf: float, iou: float) -> Detections:
    """What one picture's answer (row i of each array) says, suppressed, boxes in pixels of the square.

    What the graph left unsettled is settled here, so that every kind of graph finds the same.
    """
    if card.suppression in OPEN:
        boxes, scores = boxes_over(answer, card, conf) if card.decode == "outside" else answer
        return suppress(boxes, scores, conf, iou)
    boxes, scores, labels, count = answer[:4]
    inside = scores[:count] >= conf
    found = Detections(*(column[:count][inside] for column in (boxes, scores, labels)))
    settled = card.suppression == "graph" and bool(answer[4])
    return found[:MOST] if settled else suppressed(found, iou)


def is_crowded(answer: Sequence[Array], card: ModelCard, conf: float) -> bool:
    """Whether one picture had as many boxes over `conf` as the graph lets through, so that weaker ones may lack."""
    if not card.candidates:
        return False
    if card.suppression == "topk":
        return bool(answer[1][-1].max() >= conf)
    return bool(answer[3] == card.candidates)
