"""The training run: settings, schedule, averaged weights, epochs, checkpoints, validation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.progress import bar, say
from minehat.voc import Labelled
from torch import Tensor, nn

from ..checkpoint import load_checkpoint, save_checkpoint
from ..data.batches import batches, epoch_order
from ..data.sources import Source
from ..evaluation import evaluate
from ..loss import LossSettings, yolo_loss
from ..network import MineNet


@dataclass(frozen=True)
class TrainSettings:
    """How a run goes. Drops and warm-up are shares of the run, so that it scales to any length."""

    epochs: int = 60
    batch: int = 16
    size: int = 416  # side of the square, pixels
    start_size: int = 416  # the first half of the run grows from here to `size`, in steps of 32
    lr: float = 0.01  # the paper's 5e-4 is for a pre-trained backbone
    schedule: str = "cosine"  # or steps: times 0.1 at each of `drops`
    drops: tuple[float, ...] = (1 / 3, 2 / 3)  # the paper drops every 10,000 of 30,000 iterations
    warmup: float = 0.03
    momentum: float = 0.9
    decay: float = 1e-4
    average: float = 0.998  # decay of the averaged weights; 0 for none
    mosaic: float = 0.5  # share of samples; none in the last tenth of the run
    bf16: bool = False
    seed: int = 0
    every: int = 5  # epochs between validations
    loss: LossSettings = field(default_factory=LossSettings)


class Average:
    """Exponentially averaged weights, which score better than the last ones."""

    def __init__(self, network: MineNet, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: MineNet) -> None:
        """Move towards the network's weights; early on by larger steps."""
        self.steps += 1
        keep = self.decay * (1 - math.exp(-self.steps / 500))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value.detach(), 1 - keep)
            else:
                self.weights[name].copy_(value)


class Run:
    """One training run in a folder: `last.pt` to resume from, `best.pt` by mAP50, `results.csv`."""

    def __init__(self, network: MineNet, card: ModelCard, settings: TrainSettings, out: Path,
                 device: str, val_name: str = "val") -> None:
        self.val_name = val_name
        self.network = network.to(device).to(memory_format=torch.channels_last)
        self.card, self.settings, self.out, self.device = card, settings, out, device
        self.optimizer = torch.optim.SGD(_groups(self.network, settings.decay), lr=settings.lr,
                                         momentum=settings.momentum)
        self.average = Average(self.network, settings.average)
        self.epoch = 0
        self.best = -1.0

    def resume(self, path: Path) -> None:
        """Go on after the last finished epoch of a checkpoint that `fit` left."""
        _, _, run = load_checkpoint(path, self.device)
        if run is None:
            raise MineHatError(f"{path} holds weights only, not a run; start from it with --init {path}.")
        self.network.load_state_dict(run["network"])
        self.optimizer.load_state_dict(run["optimizer"])
        self.average.weights, self.average.steps = run["average"], run["average_steps"]
        self.epoch, self.best = run["epoch"], run["best"]

    def fit(self, sources: Sequence[Source], val: Sequence[Labelled]) -> None:
        """Train to the last epoch; validate on averaged weights; leave checkpoints and results.csv."""
        while self.epoch < self.settings.epochs:
            began = time.monotonic()
            terms = self._one_epoch(sources)
            self.epoch += 1
            row = {"epoch": self.epoch, "lr": self.optimizer.param_groups[0]["lr"], **terms,
                   "seconds": time.monotonic() - began}
            due = self.epoch % self.settings.every == 0 or self.epoch == self.settings.epochs
            if due and val:
                row |= self._validate(val)
            self._save("last.pt")
            self._note(row)

    def _one_epoch(self, sources: Sequence[Source]) -> dict[str, float]:
        settings = self.settings
        order = epoch_order(sources, settings.seed, self.epoch)
        steps = len(order) // settings.batch
        if not steps:
            raise MineHatError(f"an epoch of {len(order)} pictures does not fill one batch of {settings.batch}: "
                               "give more pictures or a smaller --batch.")
        made = batches(order, size_of_epoch(settings, self.epoch), settings.batch,
                       settings.mosaic if self.epoch < 0.9 * settings.epochs else 0.0, settings.seed, self.epoch)
        sums: dict[str, float] = {}
        self.network.train()
        for step, (images, truths) in enumerate(bar(made, total=steps,
                                                    label=f"epoch {self.epoch + 1}/{settings.epochs}")):
            self._set_rate((self.epoch + step / steps) / settings.epochs)
            for name, value in self._step(images, truths).items():
                sums[name] = sums.get(name, 0.0) + value / steps
        return sums

    def _step(self, images: Tensor, truths: Tensor) -> dict[str, float]:
        images = images.to(self.device, memory_format=torch.channels_last)
        truths = truths.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.settings.bf16):
            maps = self.network(images)
        loss, terms = yolo_loss(maps, truths, self.network.recipe, self.settings.loss)
        if not torch.isfinite(loss):
            raise MineHatError(f"the loss is {loss.item()} in epoch {self.epoch + 1}: lower --lr "
                               f"(now {self.settings.lr}) and go on with --resume.")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.average.update(self.network)
        return {"loss": loss.item(), **terms}

    def _set_rate(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.settings, progress)

    def _validate(self, val: Sequence[Labelled]) -> dict[str, float]:
        network = self._averaged_network()
        found = evaluate(network, val, self.card, device=self.device, bf16=self.settings.bf16)
        if found.map50 > self.best:
            self.best = found.map50
            measured = {self.val_name: {"map50": found.map50, "map": found.map}}
            save_checkpoint(self.out / "best.pt", network, self.card.with_(accuracy=measured))
        return {"map50": found.map50, "map": found.map,
                **{f"ap50_{name}": value or 0.0 for name, value in found.ap50.items()}}

    def _averaged_network(self) -> MineNet:
        network = MineNet(self.network.recipe).to(self.device).to(memory_format=torch.channels_last)
        network.load_state_dict(self.average.weights)
        return network.eval()

    def _save(self, name: str) -> None:
        run = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
               "average": self.average.weights, "average_steps": self.average.steps,
               "epoch": self.epoch, "best": self.best, "settings": asdict(self.settings)}
        save_checkpoint(self.out / name, self._averaged_network(), self.card, run)

    def _note(self, row: dict[str, float]) -> None:
        say("  ".join(f"{key} {value:.4g}" for key, value in row.items()))
        path = self.out / "results.csv"
        columns = ("epoch", "lr", "loss", "box", "obj", "class", "seconds", "map50", "map")
        if not path.exists():
            path.write_text(",".join(columns) + "\n")
        with path.open("a") as file:
            file.write(",".join(f"{row[c]:.6g}" if c in row else "" for c in columns) + "\n")


def rate_at(settings: TrainSettings, progress: float) -> float:
    """Learning rate at a share of the run: linear warm-up, then a half cosine to 1 %, or times 0.1 at each drop."""
    if progress < settings.warmup:
        return settings.lr * progress / settings.warmup
    if settings.schedule == "cosine":
        done = (progress - settings.warmup) / (1 - settings.warmup)
        return settings.lr * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
    return settings.lr * 0.1 ** sum(progress >= drop for drop in settings.drops)


def size_of_epoch(settings: TrainSettings, epoch: int) -> int:
    """Side of the training square: grows to `size` over the first half of the run."""
    share = min(1.0, 2 * epoch / settings.epochs)
    return int((settings.start_size + share * (settings.size - settings.start_size)) // 32 * 32)


def _groups(network: MineNet, decay: float) -> Iterator[dict[str, Any]]:
    """Weights of convolutions decay; biases and batch norms do not."""
    parameters = list(network.parameters())
    yield {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay}
    yield {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}
