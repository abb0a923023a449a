"""Exponentially averaged weights, which score better than the last ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..network import MineNet

SETTLING = 500  # steps; before, the average follows more closely


class Average:
    """The average of a network's weights along a run; with `decay` 0 the weights themselves."""

    def __init__(self, network: MineNet, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights: dict[str, Tensor] = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: MineNet) -> None:
        """Move towards the network's weights."""
        self.steps += 1
        keep = self.decay * (1 - math.exp(-self.steps / SETTLING))
        mine, theirs = [], []
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                mine.append(self.weights[name])
                theirs.append(value.detach())
            else:
                self.weights[name].copy_(value)
        torch._foreach_lerp_(mine, theirs, 1 - keep)

    def network(self, like: MineNet) -> MineNet:
        """A network of the averaged weights, in eval mode."""
        device = next(like.parameters()).device
        network = MineNet(like.recipe).to(device).to(memory_format=torch.channels_last)
        network.load_state_dict(self.weights)
        return network.eval()
