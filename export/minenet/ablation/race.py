"""How long networks take for one picture, measured in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from ..network import Decoded, MineNet

WARMUP, ROUNDS = 3, 40


def picture_ms(networks: Sequence[MineNet], size: int, device: str) -> list[float]:
    """Median milliseconds for one picture of `size` x `size`, decode included, FP32; one figure a network."""
    graphs = [Decoded(network).eval().to(device).to(memory_format=torch.channels_last) for network in networks]
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    image = image.to(device, memory_format=torch.channels_last)
    with torch.inference_mode():
        timed = [[_one_ms(graph, image) for graph in graphs] for _ in range(WARMUP + ROUNDS)]
    return [float(ms) for ms in np.median(timed[WARMUP:], axis=0)]


def _one_ms(graph: Decoded, image: torch.Tensor) -> float:
    begun = time.perf_counter()
    graph(image)
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
    return 1000 * (time.perf_counter() - begun)
