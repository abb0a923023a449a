"""What changes along a run: the learning rate, and the side of the square. Both follow from the step alone."""

from __future__ import annotations

import math

import numpy as np

from .settings import STEP, TrainSettings

FLOOR = 0.01  # of the rate, where a cosine ends


def rate_at(settings: TrainSettings, step: int, steps: int) -> float:
    """The learning rate of step `step` of a run of `steps`: linear warm-up, then the schedule."""
    warm = settings.warmup * steps
    if step < warm:
        return settings.lr * (step + 1) / (warm + 1)
    if settings.schedule == "drops":
        return settings.lr * 0.1 ** (step // settings.drop_every)
    done = (step - warm) / max(steps - warm, 1)
    return settings.lr * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2)


def size_at(settings: TrainSettings, epoch: int, step: int) -> int:
    """Side of the square in pixels at a step: it grows over the first half of the run, and is drawn around that."""
    share = min(1.0, 2 * epoch / settings.epochs)
    size = settings.start_size + share * (settings.size - settings.start_size)
    if settings.multi_scale:
        rng = np.random.default_rng((settings.seed, epoch, step, 1))
        size = round(size * rng.uniform(1 - settings.multi_scale, 1 + settings.multi_scale) / STEP) * STEP
    return max(STEP, int(size // STEP * STEP))
