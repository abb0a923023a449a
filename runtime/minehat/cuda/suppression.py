"""A network's boxes on the GPU -> those that suppression keeps, still on the GPU: what detections.suppress keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detections import MOST
from .compiled import compiled
from .device import Device, HostMemory, Stream

Array = npt.NDArray[Any]
CANDIDATES = 1024  # of a picture at most; with more the answer says so, and the host must do it
_GROUP, _GROUPS = 64, CANDIDATES // 64  # as in suppress.cu
_PICK = 256  # threads of a block
_TOLD = 4  # whole numbers of a picture: struct Told
_KERNELS = {"compact": ("compact_pick", "compact_rank"), "suppress": ("suppress_mask", "suppress_sweep")}


@dataclass(frozen=True)
class Kept:
    """What suppression left of N pictures, as the host sees it; views of the memory that it was copied to."""

    counts: Array  # int32 [N]: candidates
    rows: Array  # int32 [N]: boxes that are kept
    boxes: Array  # float32 [N, MOST, 4]: the kept ones, best first, and zeros
    scores: Array  # float32 [N, MOST, C]: all of a box's scores
    whole: bool  # False: a picture has more than CANDIDATES, or the answer is not finite; then nothing here is meant


class CudaSuppression:
    """The kernels, and memory for `most_pictures` of `rows` boxes and `classes`. Unverified on a GPU."""

    def __init__(self, device: Device, most_pictures: int, rows: int, classes: int) -> None:
        self._rows, self._classes = rows, classes
        self._candidates = min(rows, CANDIDATES)
        modules = {name: device.module(compiled(name, device.capability)) for name in _KERNELS}
        self._kernels = {kernel: modules[name].kernel(kernel) for name, kernels in _KERNELS.items()
                         for kernel in kernels}
        self._modules = list(modules.values())
        candidates = most_pictures * CANDIDATES
        self._keys, self._order, self._labels, self._mask = (
            device.memory(candidates * size) for size in (8, 4, 4, 8 * _GROUPS))
        self._kept = device.memory(self.answer_bytes(most_pictures))

    def answer_bytes(self, pictures: int) -> int:
        """What `launch` copies to the host."""
        return 4 * pictures * (_TOLD + MOST * (4 + self._classes))

    def launch(self, boxes: int, scores: int, pictures: int, conf: float, iou: float, here: HostMemory,
               stream: Stream) -> None:
        """Put the work and the copy of its answer on the stream; `kept` reads it when the stream has come past.

        boxes, scores: addresses of float32 [pictures, rows, 4] and [pictures, rows, classes]. conf: above 0.
        """
        told = self._kept.address
        found_boxes = told + 4 * pictures * _TOLD
        found_scores = found_boxes + 4 * pictures * MOST * 4
        rows, classes, most = np.int32(self._rows), np.int32(self._classes), np.int32(CANDIDATES)
        b, s, t, keys, order, labels, mask = map(np.uint64, (
            boxes, scores, told, self._keys.address, self._order.address, self._labels.address, self._mask.address))
        self._kept.fill(0, stream)
        self._put("compact_pick", (-(-self._rows // _PICK), pictures, 1), _PICK,
                  (b, s, rows, classes, np.float32(conf), most, t, keys), stream)
        groups = -(-self._candidates // _GROUP)
        self._put("compact_rank", (-(-self._candidates // _PICK), pictures, 1), _PICK,
                  (s, rows, classes, most, t, keys, order, labels), stream)
        self._put("suppress_mask", (groups, groups, pictures), _GROUP,
                  (b, rows, np.float64(iou), most, t, order, labels, mask), stream)
        self._put("suppress_sweep", (pictures, 1, 1), _GROUP,
                  (b, s, rows, classes, most, np.int32(MOST), t, order, mask, np.uint64(found_boxes),
                   np.uint64(found_scores)), stream)
        self._kept.copy_out(here.array((self.answer_bytes(pictures),), np.uint8), stream)

    def kept(self, here: HostMemory, pictures: int) -> Kept:
        """What `launch` has copied to `here`."""
        sizes = [pictures * _TOLD, pictures * MOST * 4, pictures * MOST * self._classes]
        answer = here.array((sum(sizes),), np.float32)
        told, boxes, scores = np.split(answer, np.cumsum(sizes[:2]))
        counts, spoiled, alive, rows = told.view(np.int32).reshape(pictures, _TOLD).T
        return Kept(counts, rows, boxes.reshape(pictures, MOST, 4), scores.reshape(pictures, MOST, self._classes),
                    bool((counts <= CANDIDATES).all() and not spoiled.any() and alive.any()))

    def close(self) -> None:
        """Let go of the kernels and their memory."""
        self._kernels.clear()  # pycuda unloads a module with its last kernel
        for held in (*self._modules, self._keys, self._order, self._labels, self._mask, self._kept):
            held.close()

    def _put(self, name: str, grid: tuple[int, int, int], threads: int, arguments: tuple[Any, ...],
             stream: Stream) -> None:
        self._kernels[name].launch(grid, (threads, 1, 1), arguments, stream)
