"""The frames that a race runs on: from a picture, a folder, a video, or the scene renderer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat import scenes
from minehat.errors import MineHatError
from minehat.sources import is_url, shots, without_secrets

HELD = 16  # different frames kept in memory: enough variety, little memory
SCENE_SEED = 7


@dataclass(frozen=True)
class Frames:
    """Decoded frames, and what decoding each one took."""

    source: str  # its name, without folders or passwords
    frames: list[npt.NDArray[np.uint8]]  # [h, w, 3] BGR
    read_ms: npt.NDArray[np.float64]  # [frames]
    rendered: bool  # drawn for the purpose: then read_ms is what drawing took


def frames_of(source: str | None, most: int) -> Frames:
    """Up to `most` frames (and never more than HELD) of a source; scenes of a mine where it is None.

    Raises MineHatError when the source gives no frame.
    """
    stream: Iterator[Any] = scenes.film(SCENE_SEED, HELD) if source is None else shots([source], _refuse)
    frames, took = [], []
    begun = time.perf_counter()
    for shot in itertools.islice(stream, min(most, HELD)):
        took.append(1000 * (time.perf_counter() - begun))
        frames.append(shot.frame)
        begun = time.perf_counter()
    name = _name_of(source)
    if not frames:
        raise MineHatError(f"{name} holds no picture or frame. Name a picture, a folder or a video.")
    return Frames(name, frames, np.array(took), source is None)


def _name_of(source: str | None) -> str:
    """What a report may say of a source: no folders, no passwords."""
    if source is None:
        return f"scenes, seed {SCENE_SEED}"
    return without_secrets(source) if is_url(source) else Path(source).name


def _refuse(exc: MineHatError) -> None:
    """A source that cannot be read whole would be timed as something else."""
    raise exc
