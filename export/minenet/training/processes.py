"""The processes that train together: those that torchrun started, or this one alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from minehat.doors import MENDABLE
from minehat.errors import MineHatError
from torch import Tensor

from ..devices import usable

PATIENCE = timedelta(hours=12)  # with the first, which scores alone; NCCL's own 10 minutes are too few for a large val
Made = TypeVar("Made")


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

    def agreed(self, make: Callable[[], Made]) -> Made:
        """What `make` gives here, where it gives something everywhere. Where it raises MineHatError in any process all
        end with code 2, and of those with the same words the first one alone says them."""
        made, fault = None, None
        try:
            made = make()
        except MineHatError as exc:
            fault = exc
        told = self.gathered(str(fault) if fault else "")
        if fault and str(fault) not in told[:self.rank]:
            raise fault
        if made is None or any(told):
            sys.exit(MENDABLE)
        return made

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            dist.barrier()


@contextmanager
def joined(device: str | None = None) -> Iterator[Processes]:
    """This process with those that torchrun started beside it (gloo on CPUs, NCCL on GPUs), until the block ends.

    device: `cpu`, `cuda` or `cuda:N`; the GPU where there is one. Raises MineHatError where it cannot be used.
    """
    device, count = usable(device), int(os.environ.get("WORLD_SIZE", "1"))
    if device == "cuda":
        device = usable(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(device)
        return
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield Processes(device, dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
