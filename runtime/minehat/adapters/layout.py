"""What a layout of outputs is, and what a person may ask of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .foreign import Foreign
from .graft import Graft


@dataclass(frozen=True)
class Asked:
    """What a graft must be told where the file does not say it."""

    classes: int | None = None  # how many names there are, for outputs whose shape does not show it
    anchors: tuple[tuple[float, float], ...] | None = None  # w h in pixels of the square, finest scale first


@dataclass(frozen=True)
class Layout:
    """One way in which detectors give their boxes."""

    shape: str  # of the outputs, as people write it
    pixels: str  # how such networks usually want them, a key of PIXELS
    reads: str  # layouts that read alike bear the same word, and need not be told apart
    classes: Callable[[Foreign, Asked], int | None]  # by the outputs' shape; None where it does not show;
    # raises MineHatError where the shape is another
    fits: Callable[[Foreign, Asked], str | None]  # what speaks for it; None where something speaks against it
    graft: Callable[[Graft, Foreign, dict[str, str], Asked], tuple[str, str]]  # the third: its outputs in float32, by
    # their names before. Returns the names of boxes [N, B, 4] and scores [N, B, C]
    decoded: bool = True  # its boxes are in pixels as they come
    pad: int = 114  # grey of the bands that such networks were trained with
    iou: float = 0.5  # of the suppression after it
