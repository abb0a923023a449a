"""Batches for training: each sample depends on (seed, epoch, position) alone, so a resumed run sees the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor

from .augment import Augmentation, augmented
from .sources import Sample, Source

A_PICTURE = 2  # boxes of each that anchors are made from
AHEAD = 2  # batches a worker makes while the network works


@dataclass(frozen=True)
class Batch:
    """Training views and what is in them."""

    images: Tensor  # uint8 [N, 3, size, size] RGB, channels last in memory
    truths: Tensor  # float32 [M, 6]: row of the batch, label, x0 y0 x1 y1 in square pixels
    names: tuple[tuple[str, ...], ...]  # [N], the pictures that each view is made of
    making: float  # seconds of one core that it took to make

    @property
    def size(self) -> int:
        return self.images.shape[2]

    def rows(self, first: int, count: int) -> Batch:
        """A part of the batch."""
        mine = self.truths[(self.truths[:, 0] >= first) & (self.truths[:, 0] < first + count)].clone()
        mine[:, 0] -= first
        part = slice(first, first + count)
        return replace(self, images=self.images[part], truths=mine, names=self.names[part])

    def on(self, device: str) -> Batch:
        """The batch on another device."""
        return replace(self, images=self.images.to(device, non_blocking=True), truths=self.truths.to(device))


@dataclass(frozen=True)
class Turn:
    """Which part of an epoch is asked for."""

    seed: int
    epoch: int
    batch: int  # pictures a step, of all processes
    first: int = 0  # step to begin with
    rank: int = 0  # of the processes, each of which makes its own share of every batch
    processes: int = 1


def epoch_order(sources: Sequence[Source], seed: int, epoch: int) -> list[Sample]:
    """The samples of one epoch, shuffled: of each source the share that it is given; over 1 some come again."""
    rng = np.random.default_rng((seed, epoch))
    drawn: list[Sample] = []
    for source in sources:
        count, have = max(1, round(len(source.samples) * source.share)), len(source.samples)
        rows = np.concatenate([rng.permutation(have) for _ in range(-(-count // have))])[:count]
        drawn += [source.samples[row] for row in rows]
    return [drawn[i] for i in rng.permutation(len(drawn))]


def box_sizes(sources: Sequence[Source], seed: int) -> np.ndarray:
    """Widths and heights, float64 [n, 2] pixels, of boxes of the first epoch: what anchors are made from.

    A picture gives two at most. Were a crowd to give all of its heads, a few hundred pictures of classrooms would make
    anchors so small that helmets are left to the coarse maps, which place them badly.
    """
    rng = np.random.default_rng(seed)
    chosen = [sample.boxes[rng.permutation(len(sample.boxes))[:A_PICTURE]] for sample in epoch_order(sources, seed, 0)]
    return np.concatenate([boxes[:, 2:] - boxes[:, :2] for boxes in chosen]).astype(np.float64)


def batches(order: Sequence[Sample], turn: Turn, size_at: Callable[[int], int], how: Augmentation,
            workers: int = 1) -> Iterator[Batch]:
    """The batches of an epoch from step `turn.first` on, made ahead by threads; an incomplete last one is dropped.

    size_at: the square's side in pixels, by step.
    """
    cv2.setNumThreads(1)
    share = turn.batch // turn.processes

    def make(step: int) -> Batch:
        began = time.thread_time()
        first = step * turn.batch + turn.rank * share
        views = [_view(order, position, size_at(step), how, (turn.seed, turn.epoch, position))
                 for position in range(first, first + share)]
        return _collated(views, began)

    steps = iter(range(turn.first, len(order) // turn.batch))
    with ThreadPoolExecutor(workers) as team:
        waiting = [team.submit(make, step) for step in islice(steps, AHEAD * workers)]
        while waiting:
            ready = waiting.pop(0).result()
            waiting += [team.submit(make, step) for step in islice(steps, 1)]
            yield ready


def _view(order: Sequence[Sample], position: int, size: int, how: Augmentation,
          key: tuple[int, ...]) -> tuple[Sample, tuple[str, ...]]:
    """A training view, and the names of the pictures in it."""
    rng = np.random.default_rng(key)
    others = [order[i] for i in rng.integers(len(order), size=3)] if rng.random() < how.mosaic else []
    return augmented(order[position], others, size, rng, how), (order[position].name, *(one.name for one in others))


def _collated(views: Sequence[tuple[Sample, tuple[str, ...]]], began: float) -> Batch:
    pixels = torch.from_numpy(np.stack([view.picture for view, _ in views])[..., ::-1].copy()).permute(0, 3, 1, 2)
    rows = [np.column_stack([np.full(len(view.boxes), row), view.labels, view.boxes])
            for row, (view, _) in enumerate(views)]
    truths = torch.from_numpy(np.concatenate(rows).astype(np.float32))
    return Batch(pixels, truths, tuple(names for _, names in views), time.thread_time() - began)
