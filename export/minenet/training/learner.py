"""One step of training: a batch worked off in parts and by several processes, and the weights moved once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..data.batches import Batch
from ..loss import assign_all, yolo_loss
from ..network import MineNet
from .average import Average
from .processes import Processes
from .settings import TrainSettings

TERMS = ("box", "obj", "class")
UNSCALED = 1.0  # what a scaler multiplies losses by when it changes nothing, and where there is none
STEEPEST = 10.0  # norm of the gradient; a steeper one is scaled down to it


class Learner:
    """The network in training, its optimizer, gradient scaler and averaged weights."""

    def __init__(self, network: MineNet, settings: TrainSettings, processes: Processes) -> None:
        self.settings, self.processes = settings, processes
        self.network = network.to(processes.device).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(_groups(self.network, settings.decay), lr=settings.lr,
                                         momentum=settings.momentum)
        self.scaler = torch.amp.GradScaler(processes.kind, enabled=settings.precision == "fp16")
        self.average = Average(self.network, settings.average)
        self._shared: nn.Module = self.network if processes.count == 1 else DistributedDataParallel(
            self.network, broadcast_buffers=False)
        self._norms = [layer for layer in self.network.modules() if isinstance(layer, nn.BatchNorm2d)]
        self._momentum = self._norms[0].momentum or 0.1

    def step(self, batch: Batch, rate: float) -> dict[str, float]:
        """Learn from this process's share of a batch; the loss and its terms per positive, of the whole batch.

        Where they are not finite, or the gradient is not, they are returned and the weights are left as they were.
        """
        parts = self._parts(batch)
        found = [assign_all(part.truths, part.size, self.network.recipe, self.settings.loss.near) for part in parts]
        counted = torch.tensor(float(sum(len(scale.labels) for part in found for scale in part)),
                               device=self.processes.device)
        count = max(1.0, self.processes.total(counted).item())
        terms = torch.zeros(len(TERMS), device=self.processes.device)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        for number, (part, mine) in enumerate(zip(parts, found, strict=True)):
            with self._alone(until=number == len(parts) - 1):
                self._pace_norms(number, len(parts))
                sums = yolo_loss(self.maps(part), part.truths, mine, self.network.recipe, self.settings.loss)
                self.scaler.scale(sums.sum() * (self.processes.count / count)).backward()
            terms += sums.detach()
        values = (self.processes.total(terms) / count).tolist()
        loss = sum(values)
        if torch.isfinite(torch.tensor(loss)) and not self._move(rate):
            loss = float("nan")
        return {"loss": loss, **dict(zip(TERMS, values, strict=True))}

    def maps(self, part: Batch, alone: bool = False) -> list[Tensor]:
        """The network's raw maps of a part that lies on the device; `alone` where the other processes do not follow."""
        images = part.images.float().div_(255)
        reduced = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.settings.precision)
        with torch.autocast(self.processes.kind, reduced, enabled=reduced is not None):
            maps: list[Tensor] = (self.network if alone else self._shared)(images)
        return maps

    def state(self) -> dict[str, Any]:
        """What `load` needs to go on exactly; the averaged weights are the checkpoint's own."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(), "average_steps": self.average.steps}

    def load(self, state: dict[str, Any], averaged: MineNet) -> None:
        """Go on from a `state` and the averaged network beside it."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.average.weights = {name: value.detach().clone() for name, value in averaged.state_dict().items()}
        self.average.steps = state["average_steps"]

    def _parts(self, batch: Batch) -> list[Batch]:
        size = len(batch.names) // self.settings.accumulate
        return [batch.rows(first, size).on(self.processes.device) for first in range(0, len(batch.names), size)]

    def _alone(self, until: bool) -> AbstractContextManager[Any]:
        """Gradients are exchanged with the last part alone."""
        if isinstance(self._shared, DistributedDataParallel) and not until:
            return self._shared.no_sync()
        return nullcontext()

    def _pace_norms(self, number: int, parts: int) -> None:
        """Let running statistics move, over all parts, by the mean of the parts' own."""
        share = self._momentum / parts
        for norm in self._norms:
            norm.momentum = share / (1 - share * (parts - 1 - number))

    def _move(self, rate: float) -> bool:
        """Move the weights; False where the gradient is not finite. A scaler skips such a step by itself and scales
        less, which is no help any more once it does not scale at all."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), STEEPEST)
        if not torch.isfinite(norm) and self.scaler.get_scale() <= UNSCALED:
            return False
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._share_statistics()
        self.average.update(self.network)
        return True

    def _share_statistics(self) -> None:
        """Batch norms of all processes go on with the mean of their running statistics."""
        if self.processes.count == 1:
            return
        statistics = [value for norm in self._norms for value in (norm.running_mean, norm.running_var)]
        together = torch.cat([value.flatten() for value in statistics])
        self.processes.total(together).div_(self.processes.count)
        for value, mean in zip(statistics, together.split([value.numel() for value in statistics]), strict=True):
            value.copy_(mean)


def _groups(network: MineNet, decay: float) -> Iterator[dict[str, Any]]:
    """Weights of convolutions decay; biases and batch norms do not."""
    parameters = list(network.parameters())
    yield {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay}
    yield {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}
