"""Scenes of the renderer as a training source: mine galleries that nobody had to label."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice

from minehat import scenes
from minehat.progress import bar

from .sources import Sample, Source, fitted

SHAPES = ((640, 480), (1280, 720))  # pixels that are rendered, in turn; more where the training square is larger
APART = 1_000_000  # between the scenes of two seeds, and from those that are rendered to score and to calibrate on
VIEWS = 4  # of a gallery: a further one takes a tenth of the time of the first, and shows other people
BETWEEN = 25.0  # seconds from view to view, in which most have passed by
MOST_THREADS = 8


def rendered_source(count: int, size: int, seed: int, share: float = 1.0) -> Source:
    """`count` scenes, longest sides `size` pixels; the same for the same arguments. About one gallery in ten is empty.

    share: how often an epoch draws each of them.
    """
    first = APART * (seed + 1)
    galleries = range(first, first + -(-count // VIEWS))
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as workers:
        views = chain.from_iterable(workers.map(partial(rendered, size=size), galleries))
        samples = list(bar(islice(views, count), count, "rendering scenes"))
    return Source(f"scenes:{count}", samples, share)


def rendered(number: int, size: int) -> list[Sample]:
    """Views of one gallery, rendered larger than they are needed, as pictures of a camera are."""
    width, height = SHAPES[number % len(SHAPES)]
    larger = max(1.0, size / width)
    crowd = number // len(SHAPES) % (scenes.MOST_PEOPLE + 1)
    shots = scenes.film(number, VIEWS, round(width * larger), round(height * larger), 1 / BETWEEN, crowd)
    return [fitted(Sample(shot.frame, shot.boxes, shot.labels, f"scene {number} of the renderer, view {view}"), size)
            for view, shot in enumerate(shots)]
