"""Does the camera still look where it looked? Its view is learned slowly, and held against the last seconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .measures import box_mean

Array = npt.NDArray[Any]
TILES = 6, 10  # down and across
AROUND = 15  # pixels over which light and contrast are made alike
FAINT = 2.0  # grey levels; weaker detail counts for less
RECENT = 5.0  # seconds, of the mean that is held against the reference; who walks by blurs away in it
LONG = 1800.0  # seconds in which the reference follows a scene that changes
LEARNED = 40  # looks after which the reference is trusted
SETTLED = 10  # looks after which the recent mean is


@dataclass(frozen=True)
class View:
    """Both are float32 [h, w] maps of edges, free of light and contrast; None before the first look."""

    reference: Array | None = None
    recent: Array | None = None
    learned: int = 0  # looks that went into the reference
    settled: int = 0  # into the recent mean, since the camera opened


def seen(view: View, detail: Array, seconds: float) -> View:
    """The recent mean follows this look's detail, float32 [h, w]; `seconds` have gone by since the one before."""
    spread = np.sqrt(box_mean(detail * detail, AROUND))
    edges = detail / (spread + FAINT)
    share = max(1 / (view.settled + 1), 1 - float(np.exp(-seconds / RECENT)))
    return replace(view, recent=_mixed(view.recent, edges, share), settled=view.settled + 1)


def learnt(view: View, seconds: float) -> View:
    """The reference follows the recent mean: of a look at which all is well."""
    if view.recent is None:
        return view
    share = max(1 / (view.learned + 1), 1 - float(np.exp(-seconds / LONG)))
    return replace(view, reference=_mixed(view.reference, view.recent, share), learned=view.learned + 1)


def unsettled(view: View) -> View:
    """The camera was away; what it sees now is to be looked at anew."""
    return replace(view, recent=None, settled=0)


def agreement(view: View) -> float | None:
    """How alike they are, -1 to 1, in the middle one of all tiles: half of them may be hidden behind people.

    None while there is too little to go by.
    """
    if view.reference is None or view.recent is None or view.learned < LEARNED or view.settled < SETTLED:
        return None
    ours, theirs = _tiles(view.recent), _tiles(view.reference)
    power = (theirs * theirs).sum(axis=1)
    told = power > 0.25 * np.median(power)  # a bare wall tells nothing
    shared = (ours * theirs).sum(axis=1)
    alike = shared / np.sqrt((ours * ours).sum(axis=1) * power + 1e-9)
    return float(np.median(alike[told])) if told.any() else None


def _mixed(old: Array | None, new: Array, share: float) -> Array:
    if old is None or old.shape != new.shape:
        return new
    mixed: Array = old + np.float32(share) * (new - old)
    return mixed


def _tiles(edges: Array) -> Array:
    """float32 [h, w] -> [tiles, pixels], the mean taken off each."""
    down, across = TILES
    height, width = edges.shape[0] // down, edges.shape[1] // across
    cut = edges[:height * down, :width * across].reshape(down, height, across, width)
    tiles = cut.transpose(0, 2, 1, 3).reshape(down * across, height * width)
    level: Array = tiles - tiles.mean(axis=1, keepdims=True)
    return level
