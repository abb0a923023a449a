"""Channels between convolutions brought to one size, as in an INT8 file whose placement says `equalised`.

A (leaky) ReLU passes a factor above 0 on as it is, so a channel may be divided by one before it and multiplied after;
what the network answers in FP32 stays. The weights that are learned, and written, are then the equalised ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .network import RoundedNet

HOMOGENEOUS = ("LeakyRelu", "Relu")
SILENT = 2.0**-14  # of the largest channel: smaller ones were not heard


@torch.no_grad()
def equalise(network: RoundedNet, images: Tensor) -> None:
    """In place, by the greatest magnitude that each channel has on images, float32 [N, 3, H, W], 0 to 1."""
    seen = network.exact(images)
    steps = network.body.steps
    for maker in steps:
        tensor = maker.output
        readers = [step for step in steps if tensor in step.inputs]
        if len(readers) == 1 and readers[0].kind in HOMOGENEOUS:
            tensor = readers[0].output
            readers = [step for step in steps if tensor in step.inputs]
        if maker.kind == "Conv" and readers and all(step.kind == "Conv" for step in readers):
            factors = _factors(seen[tensor].abs().amax(dim=(0, 2, 3)))
            network.layer(maker).scale_outputs(1 / factors)
            for reader in readers:
                network.layer(reader).scale_inputs(factors)


def _factors(greatest: Tensor) -> Tensor:
    """[channels] magnitudes -> [channels] sizes relative to the typical one; 1 for channels that were not heard."""
    heard = greatest > SILENT * greatest.max()
    typical = greatest[heard].log().mean().exp()
    return torch.where(heard, greatest / typical, 1.0)
