"""How much alike two pictures are: a difference hash of 256 bits.

The grey picture is averaged down to 17 x 16, with a bit where a pixel is brighter than the one on its left. On frames
of mines, re-encoding at JPEG quality 20, a gain of 0.8 to 1.25, halving the sides or noise of 8 levels changed at
most 8 bits; two different scenes differ by some 90. Stretching a picture changes nothing; cutting 3 % off each of
its sides changes some 40 bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .guests import load_cv2

BITS = 256
ALIKE = 12  # bits; pictures that differ in no more are one, unless there is little to be seen in them
STEP = 0.5  # levels between neighbours that count as a difference: flat pictures hash to zeros, not to their noise
Bits = npt.NDArray[np.bool_]
Grey = npt.NDArray[np.float32]  # [h, w], 0..255


def grey_of(frame: npt.NDArray[np.uint8]) -> Grey:
    """Of a uint8 [h, w, 3] BGR frame."""
    cv2 = load_cv2("look at pictures")
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.float32)


def averaged(grey: Grey, width: int, height: int) -> Grey:
    """The picture made that small, each pixel the mean of those it stands for."""
    cv2 = load_cv2("look at pictures")
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def difference_hash(grey: Grey) -> Bits:
    """The [256] bits of a picture."""
    return (np.diff(averaged(grey, 17, 16), axis=1) > STEP).ravel()


def as_signs(bits: Bits) -> npt.NDArray[np.float32]:
    """The bits ([256], or rows of them) as +-1, so that a product of two counts the bits that agree."""
    return np.where(bits, np.float32(1), np.float32(-1))


def bits_apart(agreement: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How many bits differ, from the product of two hashes' signs."""
    return np.float32(0.5) * (BITS - agreement)
