"""What is remembered of a picture to find it again: re-encoded, resized, stretched, brighter or mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from minehat.likeness import Bits, Grey, averaged, difference_hash

SIDE = 32  # pixels of the closer look
AROUND = 3.0  # of those; detail is what differs from its surroundings so wide
FAINT = 4.0  # levels; detail fainter than this is not made as strong as the rest
Detail = npt.NDArray[np.float32]  # [SIDE * SIDE], of length 1: the product of two is their correlation


@dataclass(frozen=True, eq=False)
class Look:
    """A picture's hash, coarse and quick to compare, and its detail, which decides. As it is, and mirrored."""

    bits: Bits
    mirrored_bits: Bits
    detail: Detail
    mirrored_detail: Detail


def look_at(grey: Grey) -> Look:
    """Look at a grey picture."""
    detail = _detail(grey)
    mirrored = detail.reshape(SIDE, SIDE)[:, ::-1].ravel()
    return Look(difference_hash(grey), difference_hash(np.ascontiguousarray(grey[:, ::-1])), detail, mirrored)


def _detail(grey: Grey) -> Detail:
    """Light and contrast are evened out: all of the picture counts, not the brightest lamp in it alone."""
    small = averaged(grey, SIDE, SIDE)
    differs = small - cv2.GaussianBlur(small, (0, 0), AROUND)
    differs /= np.sqrt(cv2.GaussianBlur(differs * differs, (0, 0), AROUND)) + FAINT
    differs -= differs.mean()
    return (differs / max(float(np.linalg.norm(differs)), 1e-6)).ravel().astype(np.float32)
