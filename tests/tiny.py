"""Small models that tests make on the spot: random weights, but the real network, exporter and card."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from minehat.card import ModelCard
from minenet.network import MineNet, Recipe
from minenet.onnx_export import export_onnx


def tiny_network(recipe: Recipe | None = None, seed: int = 0) -> MineNet:
    """A nano network whose batch norms have seen some data, so that its maps are not all alike."""
    torch.manual_seed(seed)
    network = MineNet(recipe or Recipe("nano"))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # take the statistics of the one batch that they see
    network.train()
    with torch.no_grad():
        network(torch.rand(4, 3, 96, 96) * torch.linspace(0, 1, 96))
        for head in network.heads:  # let random weights find something, of a size that a picture can hold
            head[1].bias.zero_()
            head[1].weight.mul_(0.2)
            head[1].weight.unflatten(0, (network.recipe.anchors_a_scale, -1))[:, 2:4].mul_(0.1)
    return network.eval()


def tiny_card(size: int = 96) -> ModelCard:
    return ModelCard(name="tiny", classes=("helmet", "head"), height=size, width=size)


def noise_frames(count: int = 3, height: int = 120, width: int = 160) -> list[np.ndarray]:
    return [np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8) for seed in range(count)]


def tiny_onnx(folder: Path, size: int = 96) -> Path:
    """An exported nano of random weights for squares of `size` pixels; exported once a test run."""
    path = folder / "tiny.onnx"
    path.write_bytes(_exported(size))
    return path


@cache
def _exported(size: int) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.onnx"
        export_onnx(tiny_network(), tiny_card(size), path, noise_frames())
        return path.read_bytes()
