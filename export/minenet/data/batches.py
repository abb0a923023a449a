"""Batches for training: each sample depends on (seed, epoch, position) alone, so a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor

from .augment import augmented
from .sources import Sample, Source

AHEAD = 3  # batches made while the network works


def epoch_order(sources: Sequence[Source], seed: int, epoch: int) -> list[Sample]:
    """The samples of one epoch, shuffled: of each source the share that it is given."""
    rng = np.random.default_rng((seed, epoch))
    drawn: list[Sample] = []
    for source in sources:
        count = max(1, round(len(source.samples) * source.share))
        drawn += [source.samples[i] for i in rng.permutation(len(source.samples))[:count]]
    return [drawn[i] for i in rng.permutation(len(drawn))]


def box_sizes(sources: Sequence[Source], seed: int) -> np.ndarray:
    """Widths and heights, float64 [n, 2] pixels, of the boxes of the first epoch: what anchors are made from."""
    return np.concatenate([s.boxes[:, 2:] - s.boxes[:, :2] for s in epoch_order(sources, seed, 0)]).astype(np.float64)


def batches(order: Sequence[Sample], size: int, batch: int, mosaic: float, seed: int,
            epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images float32 [N, 3, size, size] RGB 0..1, truths float32 [M, 6]: row of the batch, label,
    x0 y0 x1 y1 in square pixels). An incomplete last batch is dropped."""
    cv2.setNumThreads(1)

    def make(first: int) -> tuple[Tensor, Tensor]:
        return _collate([_sample(order, position, size, mosaic, (seed, epoch, position))
                         for position in range(first, first + batch)])

    starts = iter(range(0, len(order) - batch + 1, batch))
    with ThreadPoolExecutor(1) as worker:
        waiting = [worker.submit(make, first) for first in islice(starts, AHEAD)]
        while waiting:
            ready = waiting.pop(0).result()
            waiting += [worker.submit(make, first) for first in islice(starts, 1)]
            yield ready


def _sample(order: Sequence[Sample], position: int, size: int, mosaic: float, key: tuple[int, ...]) -> Sample:
    rng = np.random.default_rng(key)
    others = [order[i] for i in rng.integers(len(order), size=3)] if rng.random() < mosaic else []
    return augmented(order[position], others, size, rng)


def _collate(samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    pixels = np.stack([sample.picture[..., ::-1].transpose(2, 0, 1) for sample in samples])
    rows = [np.column_stack([np.full(len(s.boxes), row), s.labels, s.boxes]) for row, s in enumerate(samples)]
    truths = torch.from_numpy(np.concatenate(rows).astype(np.float32))
    return torch.from_numpy(pixels).float().div_(255), truths
