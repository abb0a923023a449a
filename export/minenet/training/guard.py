"""Which picture broke a step: told when the loss or its gradient is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from minehat.errors import MineHatError
from minehat.pictures import write_picture

from ..data.batches import Batch
from ..loss import assign_all, yolo_loss
from .learner import Learner

SHOWN = 4  # views that are written, at most
NAMED = "not finite for"  # how the message of a process begins that knows the picture


def refusal(learner: Learner, batch: Batch, where: str, out: Path) -> MineHatError:
    """The error that ends a run, naming the pictures of this process's views whose loss is not finite.

    Those views are written to OUT/not-finite-*.png. where: the epoch and step, as people say them.
    """
    losses = _losses(learner, batch)
    broken = [row for row, loss in enumerate(losses) if not np.isfinite(loss)]
    if not broken:
        return _steep(losses, batch, where)
    if len(broken) == len(losses) > 1:
        return MineHatError(f"{where}: no picture has a finite loss any more, so the run has diverged. Begin again "
                            f"with a lower --lr (it was {learner.settings.lr:g}), or with --precision fp32.")
    for number, row in enumerate(broken[:SHOWN], 1):
        pixels = batch.images[row].permute(1, 2, 0).cpu().numpy()[..., ::-1]
        write_picture(out / f"not-finite-{number}.png", np.ascontiguousarray(pixels))
    return MineHatError(f"{where}: the loss is {NAMED} {'; '.join(_told(batch.names[row]) for row in broken)}. "
                        f"Look at {out / 'not-finite-1.png'}, mend the picture or its labels, and go on with --resume.")


def _steep(losses: Sequence[float], batch: Batch, where: str) -> MineHatError:
    """Each loss is finite, but not the gradient."""
    worst = int(np.argmax(losses))
    return MineHatError(f"{where}: the gradient is not finite, though each picture's loss is; the largest, "
                        f"{losses[worst]:.4g}, is that of {_told(batch.names[worst])}. Look at its labels, or begin "
                        "again with a lower --lr.")


def _losses(learner: Learner, batch: Batch) -> list[float]:
    """Each picture's own loss, with the weights as they are."""
    recipe, settings = learner.network.recipe, learner.settings.loss
    losses = []
    with torch.no_grad():
        learner.network.eval()
        for row in range(len(batch.names)):
            one = batch.rows(row, 1).on(learner.processes.device)
            found = assign_all(one.truths, one.size, recipe, settings.near)
            losses.append(float(yolo_loss(learner.maps(one, alone=True), one.truths, found, recipe, settings).sum()))
    return losses


def _told(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"a mosaic of {', '.join(names)}"
