"""Boxes -> what is kept, by everybody: boxes [B, 4] x0 y0 x1 y1 and scores [B, C] -> rows [n, 6].

A row is x0 y0 x1 y1, score, class. Each function here makes one lane from the answer of a network; who wants another
layout gets it beforehand, at no charge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.guests import load_onnxruntime

from .tables import NAIVE, ONNX_NMS

Array = npt.NDArray[Any]
Keeping = Callable[[], Array]
CONF, IOU = 0.25, 0.5
PLACES, CLASSES = 10647, 2  # of YOLOv3 at 416


def an_answer(candidates: int, seed: int = 0) -> tuple[Array, Array]:
    """boxes float32 [10647, 4] and scores float32 [10647, 2], of which `candidates` score over CONF.

    The candidates crowd about a fifth as many objects, as those of a detector do; of the two classes one is meant.
    """
    rng = np.random.default_rng(seed)
    centres, sides = rng.uniform(20, 396, (PLACES, 2)), rng.uniform(10, 60, (PLACES, 2))
    scores = rng.uniform(0, 0.2, (PLACES, CLASSES))
    rows = rng.permutation(PLACES)[:candidates]
    objects = rng.integers(0, max(1, candidates // 5), candidates)
    at, size, kind = rng.uniform(40, 376, (candidates, 2)), rng.uniform(16, 60, (candidates, 2)), rng.integers(
        0, CLASSES, candidates)
    centres[rows] = at[objects] + rng.normal(0, 0.08, (candidates, 2)) * size[objects]
    sides[rows] = size[objects] * rng.uniform(0.85, 1.15, (candidates, 2))
    scores[rows, kind[objects]] = rng.uniform(0.3, 0.99, candidates)
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    return boxes.astype(np.float32), scores.astype(np.float32)


def naive_kept(boxes: Array, scores: Array, conf: float, iou: float) -> Array:
    """What most repositories do in numpy: best class of every box, threshold, then class by class the greedy loop."""
    labels, best = scores.argmax(axis=1), scores.max(axis=1)
    likely = best >= conf
    boxes, best, labels = boxes[likely], best[likely], labels[likely]
    kept = []
    for label in np.unique(labels):
        of_class = np.where(labels == label)[0]
        order = of_class[best[of_class].argsort()[::-1]]
        while order.size:
            first, order = order[0], order[1:]
            kept.append(first)
            order = order[_iou(boxes[first], boxes[order]) <= iou]
    return np.concatenate([boxes[kept], best[kept, None], labels[kept, None]], axis=1)


def ours(boxes: Array, scores: Array) -> Keeping:
    from minehat.detections import suppress

    def run() -> Array:
        found = suppress(boxes, scores, CONF, IOU)
        return np.concatenate([found.boxes, found.scores[:, None], found.labels[:, None]], axis=1)
    return run


def naive(boxes: Array, scores: Array) -> Keeping:
    return lambda: naive_kept(boxes, scores, CONF, IOU)


def ultralytics_nms(boxes: Array, scores: Array) -> Keeping:
    import torch

    from .guests_of_race import ultralytics
    keep = ultralytics().non_max_suppression
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    answer = torch.from_numpy(np.concatenate([middles, sides, scores], axis=1).T[None].copy())
    return lambda: keep(answer, conf_thres=CONF, iou_thres=IOU)[0].numpy()


def supervision_nms(boxes: Array, scores: Array) -> Keeping:
    import supervision

    def run() -> Array:
        labels, best = scores.argmax(axis=1), scores.max(axis=1)
        likely = best >= CONF
        found = supervision.Detections(xyxy=boxes[likely], confidence=best[likely], class_id=labels[likely])
        kept = found.with_nms(threshold=IOU)
        return np.concatenate([kept.xyxy, kept.confidence[:, None], kept.class_id[:, None]], axis=1)
    return run


def onnx_nms(boxes: Array, scores: Array) -> Keeping:
    """A graph of that operation, and of the transposition that it asks for, run in ONNX Runtime."""
    onnxruntime = load_onnxruntime("measure it")
    from onnx import TensorProto, helper
    limits = {"most": np.array([300], np.int64), "iou": np.array([IOU], np.float32),
              "conf": np.array([CONF], np.float32)}
    graph = helper.make_graph(
        [helper.make_node("Transpose", ["scores"], ["by_class"], perm=[0, 2, 1]),
         helper.make_node("NonMaxSuppression", ["boxes", "by_class", *limits], ["rows"])], "nms",
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, PLACES, 4]),
         helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, PLACES, CLASSES])],
        [helper.make_tensor_value_info("rows", TensorProto.INT64, ["n", 3])],
        [helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(value.dtype), [1], value)
         for name, value in limits.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run() -> Array:
        rows = session.run(None, {"boxes": boxes[None], "scores": scores[None]})[0]
        at, label = rows[:, 2], rows[:, 1]
        return np.concatenate([boxes[at], scores[at, label, None], label[:, None]], axis=1)
    return run


KEEPINGS = {"ours": ours, NAIVE: naive, "ultralytics": ultralytics_nms, "supervision": supervision_nms,
            ONNX_NMS: onnx_nms}


def in_order(rows: Array) -> Array:
    """Rows [n, 6] by class, then score, so that those of two lanes can be compared."""
    return rows[np.lexsort((rows[:, 4], rows[:, 5]))].astype(np.float64)


def _iou(box: Array, others: Array) -> Array:
    width = np.maximum(0, np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0]))
    height = np.maximum(0, np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1]))
    shared = width * height
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    area: Array = (box[2] - box[0]) * (box[3] - box[1])
    return np.asarray(shared / (area + areas - shared))
