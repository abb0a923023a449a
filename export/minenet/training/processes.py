"""The processes that train together: those that torchrun started, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from minehat.errors import MineHatError
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """Which of how many this one is, and the device that it works on."""

    device: str = "cpu"
    rank: int = 0
    count: int = 1

    @property
    def kind(self) -> str:
        """cpu or cuda."""
        return self.device.split(":")[0]

    @property
    def is_first(self) -> bool:
        """The one that speaks, scores and writes."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def gathered(self, value: Any) -> list[Any]:
        """What each process gives, by rank."""
        if self.count == 1:
            return [value]
        everyone: list[Any] = [None] * self.count
        dist.all_gather_object(everyone, value)
        return everyone

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def joined(device: str | None = None) -> Iterator[Processes]:
    """This process with those that torchrun started beside it (gloo on CPUs, NCCL on GPUs), until the block ends.

    device: `cpu`, `cuda` or `cuda:N`; the GPU where there is one. Raises MineHatError where it cannot be used.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    _check(device)
    if count == 1:
        yield Processes(device)
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Processes(device, dist.get_rank(), count)
    finally:
        dist.destroy_process_group()


def _check(device: str) -> None:
    try:
        torch.zeros(1, device=device)
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
    except (RuntimeError, AssertionError, ValueError) as exc:
        raise MineHatError(f"--device {device} cannot be used here: {str(exc).splitlines()[0]}") from exc
