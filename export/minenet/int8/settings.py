"""How a fine-tune through INT8 goes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..data.augment import Augmentation
from ..loss import LossSettings


@dataclass(frozen=True)
class TuneSettings:
    """The defaults suit a network that was trained already and is only to get used to its rounding."""

    epochs: int = 3
    batch: int = 8  # pictures a step
    lr: float = 1e-3  # of weights and biases, in units of their channel's size
    range_lr: float = 0.01  # of the logarithms of ranges
    labels: float = 1.0  # weight of what the labels say
    distil: float = 1.0  # weight of what the FP32 network says
    seed: int = 0
    augment: Augmentation = field(default_factory=lambda: Augmentation(mosaic=0.0, mine=0.3, zoom=(0.7, 1.3)))
    loss: LossSettings = field(default_factory=LossSettings)
