"""What a small grey copy of a frame tells of its light and its detail. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.guests import load_cv2

Array = npt.NDArray[Any]
BURNT = 250  # grey level from which on nothing can be told apart
NOISE = 1.0  # grey levels of fine detail that a sensor's noise makes by itself
CONTRAST = 0.035  # coarse detail for the light around it, below which there is nothing to see
LEAST, ENOUGH = 0.8, 2.0  # grey levels: below the one it is noise, above the other it is detail in any light
AROUND = 15  # pixels


@dataclass(frozen=True)
class Measures:
    """Of one thumb."""

    light: float  # grey level of its brightest hundredth; a lamp is enough
    burnt: float  # share of it that is white
    texture: float  # share of it where there is anything to see
    crisp: float  # fine detail for its coarse detail, whatever the light; about 0.4 to 1, less where it is blurred


def measured(thumb: Array) -> tuple[Measures, Array]:
    """uint8 [h, w] grey -> its measures, and its detail: float32 [h, w], what is between 3 and 9 pixels wide."""
    grey = thumb.astype(np.float32)
    soft = box_mean(grey, 3)
    detail = soft - box_mean(grey, 9)
    plain = np.clip(CONTRAST * box_mean(grey, AROUND), LEAST, ENOUGH)
    fine, coarse = _reached(np.abs(grey - soft), 0.05), _reached(np.abs(detail), 0.05)
    crisp = max(fine - NOISE, 0.0) / max(coarse, NOISE)
    return Measures(_reached(grey, 0.01), float((thumb >= BURNT).mean()),
                    float((np.abs(detail) > plain).mean()), crisp), detail


def box_mean(grey: Array, side: int) -> Array:
    """float32 [h, w] -> the mean of the side x side pixels around each, the edge repeated; side is odd."""
    cv2 = load_cv2("judge the health of pictures")
    mean: Array = cv2.blur(grey, (side, side), borderType=cv2.BORDER_REPLICATE)
    return mean


def _reached(values: Array, share: float) -> float:
    """What all but this share of the values stay below."""
    place = int((1 - share) * (values.size - 1))
    return float(np.partition(values.ravel(), place)[place])
