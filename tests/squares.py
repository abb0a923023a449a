"""Something that a few steps can learn: bright squares (helmet), dark ones (head); and a short run on them."""

from __future__ import annotations

import numpy as np
import torch
from minenet.data.augment import Augmentation
from minenet.data.sources import Sample
from minenet.network import MineNet, Recipe
from minenet.training.run import Run
from minenet.training.settings import TrainSettings
from tiny import tiny_card


def squares(count: int, size: int = 96, name: str = "square") -> list[Sample]:
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        picture = np.full((size, size, 3), 110, np.uint8)
        label, side = int(rng.integers(2)), int(rng.integers(20, 40))
        x, y = rng.integers(0, size - side, 2)
        picture[y:y + side, x:x + side] = 20 if label else 240
        made.append(Sample(picture, np.array([[x, y, x + side, y + side]], np.float32), np.array([label]),
                           f"{name}-{seed}.png"))
    return made


def run_of(folder, epochs=2, recipe=None, processes=None, save_every=1e9, **changes) -> Run:
    """A run of small squares in small batches from always the same weights, plain views, no events."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    settings = TrainSettings(**{"epochs": epochs, "batch": 4, "size": 64, "start_size": 64, "every": 99,
                                "augment": Augmentation(mosaic=0.0, mine=0.0), **changes})
    folder.mkdir(exist_ok=True)
    network = MineNet(recipe or Recipe("nano"))
    return Run(network, tiny_card(64), settings, folder, processes, save_every=save_every, events=False)
