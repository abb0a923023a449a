"""Frame -> what the network takes, by everybody: BGR uint8 [h, w, 3] -> RGB float32 [1, 3, 416, 416] in 0..1.

Each function here makes one lane: a callable from a frame to such a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .tables import BLOB, COMMON, PLANES, TENSORS, TRTUTILS

Array = npt.NDArray[Any]
Letterbox = Callable[[Array], Array]
PAD = 114
NO_ENGINE: Any = None  # of a detector that only prepares


def common_letterbox(frame: Array, height: int, width: int) -> tuple[Array, float, float, float]:
    """What most repositories do: resize, border, RGB, transpose, divide, copy. -> (batch, scale, left, top)."""
    import cv2
    scale = min(height / frame.shape[0], width / frame.shape[1])
    inner_height, inner_width = round(frame.shape[0] * scale), round(frame.shape[1] * scale)
    above, left = (height - inner_height) // 2, (width - inner_width) // 2
    image = cv2.resize(frame, (inner_width, inner_height), interpolation=cv2.INTER_LINEAR)
    image = cv2.copyMakeBorder(image, above, height - inner_height - above, left, width - inner_width - left,
                               cv2.BORDER_CONSTANT, value=(PAD, PAD, PAD))
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    planes = image.transpose(2, 0, 1).astype(np.float32) / 255.0
    return np.ascontiguousarray(planes[None]), scale, left, above


def ours(size: int) -> Letterbox:
    from minehat.card import ModelCard
    from minehat.detector import Detector
    card = ModelCard(name="letterbox", classes=("helmet",), height=size, width=size)
    detector = Detector(card, NO_ENGINE, card.conf, card.iou)
    return lambda frame: detector.prepare(frame)[0]


def common(size: int) -> Letterbox:
    return lambda frame: common_letterbox(frame, size, size)[0]


def numpy_alone(size: int) -> Letterbox:
    """Bilinear by hand, as tutorials write it."""
    def run(frame: Array) -> Array:
        scale = size / max(frame.shape[:2])
        height, width = round(frame.shape[0] * scale), round(frame.shape[1] * scale)
        rows, row_share = _grid(height, frame.shape[0])
        columns, column_share = _grid(width, frame.shape[1])
        upper, lower = frame[rows].astype(np.float32), frame[rows + 1].astype(np.float32)
        between = upper + (lower - upper) * row_share[:, None, None]
        start, end = between[:, columns], between[:, columns + 1]
        batch = np.full((1, 3, size, size), PAD / 255, np.float32)
        above, left = (size - height) // 2, (size - width) // 2
        image = (start + (end - start) * column_share[None, :, None]) / 255
        batch[0, :, above:above + height, left:left + width] = image.transpose(2, 0, 1)[::-1]
        return batch
    return run


def opencv_blob(size: int) -> Letterbox:
    import cv2
    settings = cv2.dnn.Image2BlobParams((1 / 255,) * 3, (size, size), (0, 0, 0), True, cv2.CV_32F)
    settings.paddingmode = cv2.dnn.DNN_PMODE_LETTERBOX
    settings.borderValue = (PAD, PAD, PAD)
    return lambda frame: cv2.dnn.blobFromImageWithParams(frame, settings)


def ultralytics_planes(size: int) -> Letterbox:
    """Its LetterBox, then transposed and divided by numpy."""
    from .guests_of_race import ultralytics
    box = ultralytics().LetterBox((size, size))

    def run(frame: Array) -> Array:
        planes = np.ascontiguousarray(box(image=frame)[..., ::-1].transpose(2, 0, 1))
        return planes[None].astype(np.float32) / 255
    return run


def ultralytics_tensors(size: int) -> Letterbox:
    """Its LetterBox, then by torch in the steps that its predictor takes."""
    import torch

    from .guests_of_race import ultralytics
    box = ultralytics().LetterBox((size, size))

    def run(frame: Array) -> Array:
        pixels = torch.from_numpy(box(image=frame)).unsqueeze(0).permute(0, 3, 1, 2).contiguous()
        return pixels.flip(1).float().div_(255).numpy()
    return run


def trtutils_cpu(size: int) -> Letterbox:
    from .guests_of_race import trtutils_preprocess
    preprocess = trtutils_preprocess()
    return lambda frame: preprocess(frame, (size, size), np.dtype(np.float32))[0]


LETTERBOXES = {"ours": ours, "plain numpy": numpy_alone, COMMON: common, TRTUTILS: trtutils_cpu,
               PLANES: ultralytics_planes, TENSORS: ultralytics_tensors, BLOB: opencv_blob}


def _grid(new: int, old: int) -> tuple[Array, Array]:
    """Of each new pixel: the old one before its centre, and how far it lies from there, 0 to 1."""
    places = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    rows = np.minimum(places.astype(np.int64), old - 2)
    return rows, (places - rows).astype(np.float32)
