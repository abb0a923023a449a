"""The fine-tune: ranges settled, then weights, biases and ranges learned through the rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from minehat.errors import MineHatError
from minehat.progress import bar
from torch import Tensor, nn

from ..data.batches import Batch, Turn, batches, epoch_order
from ..data.sources import Source
from ..loss import assign_all, yolo_loss
from ..network import MineNet
from ..training.schedule import rate_at
from ..training.settings import MODERN
from .equalise import equalise
from .network import RoundedNet
from .search import settle
from .settings import TuneSettings
from .teaching import distance

COURSE = MODERN.with_(lr=1.0)  # of the rates: a short rise, then a cosine
SETTLED_ON = 4  # pictures
STEEPEST = 10.0  # norm of the gradient; a steeper one is scaled down to it


def tune(network: RoundedNet, teacher: MineNet, sources: Sequence[Source], size: int, settings: TuneSettings) -> None:
    """Teach `network` what `teacher`, the same one in FP32, says and what the labels say, in squares of `size` pixels.

    Raises MineHatError where there are too few pictures, or the loss is not finite any more.
    """
    steps = len(epoch_order(sources, settings.seed, 0)) // settings.batch * settings.epochs
    if not steps:
        raise MineHatError(f"the pictures do not fill one batch of {settings.batch}: give more, or a smaller --batch.")
    first = _images(next(_epoch(sources, size, settings, 0)))
    if network.placement.equalised:
        equalise(network, first)
    settle(network, first[:SETTLED_ON])
    optimizer = torch.optim.Adam([{"params": list(network.layers.parameters()), "rate": settings.lr},
                                  {"params": list(network.grids.parameters()), "rate": settings.range_lr}])
    for step, batch in enumerate(bar(_all(sources, size, settings), steps, "fine-tuning")):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * rate_at(COURSE, step, steps)
        loss = _loss(network, teacher, batch, settings)
        if not torch.isfinite(loss):
            raise MineHatError(f"step {step + 1}: the loss is not finite any more. Begin again with a lower --lr (it "
                               f"was {settings.lr:g}).")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), STEEPEST)
        optimizer.step()


def _loss(network: RoundedNet, teacher: MineNet, batch: Batch, settings: TuneSettings) -> Tensor:
    images, recipe = _images(batch), network.recipe
    maps = network(images)
    found = assign_all(batch.truths, batch.size, recipe, settings.loss.near)
    positives = max(1, sum(len(scale.labels) for scale in found))
    with torch.no_grad():
        wanted = teacher(images)
    labelled = yolo_loss(maps, batch.truths, found, recipe, settings.loss).sum() / positives
    return settings.labels * labelled + settings.distil * distance(maps, wanted, recipe)


def _all(sources: Sequence[Source], size: int, settings: TuneSettings) -> Iterator[Batch]:
    for epoch in range(settings.epochs):
        yield from _epoch(sources, size, settings, epoch)


def _epoch(sources: Sequence[Source], size: int, settings: TuneSettings, epoch: int) -> Iterator[Batch]:
    order = epoch_order(sources, settings.seed, epoch)
    return batches(order, Turn(settings.seed, epoch, settings.batch), lambda step: size, settings.augment)


def _images(batch: Batch) -> Tensor:
    """float32 [N, 3, size, size], 0 to 1."""
    return batch.images.float().div_(255).contiguous()
