"""Scenes of the renderer as a training source: mine galleries that nobody had to label."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from minehat import scenes
from minehat.progress import bar

from .sources import Sample, Source, fitted

WIDTH, HEIGHT = 640, 480  # pixels that are rendered, or more where the training square is larger
APART = 1_000_000  # between the scenes of two seeds, and from those that are rendered to score and to calibrate on
MOST_THREADS = 8


def rendered_source(count: int, size: int, seed: int, share: float = 1.0) -> Source:
    """`count` scenes, longest sides `size` pixels; the same for the same arguments. About one in ten is empty.

    share: how often an epoch draws each of them.
    """
    numbers = range(APART * (seed + 1), APART * (seed + 1) + count)
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as workers:
        samples = list(bar(workers.map(partial(rendered, size=size), numbers), count, "rendering scenes"))
    return Source(f"scenes:{count}", samples, share)


def rendered(number: int, size: int) -> Sample:
    """One scene, rendered larger than it is needed, as pictures of a camera are."""
    larger = max(1.0, size / WIDTH)
    shot = scenes.picture(number, round(WIDTH * larger), round(HEIGHT * larger))
    return fitted(Sample(shot.frame, shot.boxes, shot.labels, f"scene {number} of the renderer"), size)
