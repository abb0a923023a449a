"""What foreign outputs mean, read slowly: one box after the other, as the layouts' own descriptions have it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from foreign_onnx import ANCHORS, STRIDES, Kind


def read(kind: Kind, outputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The outputs for one batch -> boxes [N, B, 4] x0 y0 x1 y1 in pixels of the square, scores [N, B, C]."""
    outputs = [output.astype(np.float64) for output in outputs]
    pictures = [list(READERS[kind.layout](kind, [output[row] for output in outputs]))
                for row in range(len(outputs[0]))]
    return (np.array([[box for box, _ in boxes] for boxes in pictures]),
            np.array([[scores for _, scores in boxes] for boxes in pictures]))


Found = Iterator[tuple[list[float], list[float]]]


def _decoded(_: Kind, outputs: list[np.ndarray]) -> Found:
    for x, y, width, height, sure, *shares in outputs[0]:
        yield _corners(x, y, width, height), [sure * share for share in shares]


def _without_objectness(_: Kind, outputs: list[np.ndarray]) -> Found:
    for x, y, width, height, *shares in outputs[0].T:
        yield _corners(x, y, width, height), shares


def _chosen(kind: Kind, outputs: list[np.ndarray]) -> Found:
    for x0, y0, x1, y1, score, label in outputs[0]:
        yield [x0, y0, x1, y1], [score if number == label else 0.0 for number in range(kind.classes)]


def _offsets(kind: Kind, outputs: list[np.ndarray]) -> Found:
    rows = iter(outputs[0])
    for stride in STRIDES:
        for row in range(kind.height // stride):
            for column in range(kind.width // stride):
                x, y, width, height, sure, *shares = next(rows)
                yield (_corners((column + x) * stride, (row + y) * stride, math.exp(width) * stride,
                                math.exp(height) * stride), [sure * share for share in shares])


def _maps(kind: Kind, outputs: list[np.ndarray]) -> Found:
    """Whatever their order, and wherever the channels stand; rows finest scale first, anchors side by side."""
    columns = 5 + kind.classes
    for scale, stride in enumerate(STRIDES):
        height, width = kind.height // stride, kind.width // stride
        one = next(output for output in outputs if output.size == height * width * 3 * columns)
        for row in range(height):
            for column in range(width):
                here = one[row, column].reshape(3, columns) if kind.last else one[:, row, column].reshape(3, columns)
                for (x, y, wide, high, sure, *shares), (across, down) in zip(here, ANCHORS[scale], strict=True):
                    yield (_corners((column + _share(x)) * stride, (row + _share(y)) * stride, math.exp(wide) * across,
                                    math.exp(high) * down), [_share(sure) * _share(one_of) for one_of in shares])


def _corners(x: float, y: float, width: float, height: float) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


READERS = {"yolov5": _decoded, "yolov5 growing": _decoded, "yolov5 with maps": _decoded, "yolov3": _decoded,
           "yolox-decoded": _decoded, "yolox": _offsets, "yolov8": _without_objectness, "yolov10": _chosen,
           "yolov3-maps": _maps, "yolov3-maps apart": _maps}
