"""One labelled picture, whatever form its labels had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import MineHatError
from ..pictures import read_picture


@dataclass(frozen=True)
class Labelled:
    """One labelled picture. Boxes are in pixels of the picture as `read` gives it (bands cut off)."""

    path: Path
    boxes: npt.NDArray[np.float32]  # [n, 4] x0 y0 x1 y1
    labels: npt.NDArray[np.int64]  # [n], rows of the classes asked for
    ignored: npt.NDArray[np.bool_]  # [n], difficult, ignore or a crowd: count neither way
    window: tuple[int, int, int, int] | None  # x0 y0 x1 y1 of what is kept of the file's picture
    size: tuple[int, int] | None = None  # width and height of the file's picture that the boxes were made for

    def read(self) -> npt.NDArray[np.uint8]:
        """The picture, uint8 [h, w, 3] BGR. Raises MineHatError where it is broken, or not of `size`."""
        frame = read_picture(self.path)
        height, width = frame.shape[:2]
        if self.size is not None and self.size != (width, height):
            raise MineHatError(f"{self.path} is {width}x{height}, seen upright, and its labels are for "
                               f"{self.size[0]}x{self.size[1]}: the boxes would lie elsewhere. Mend the labels.")
        if self.window is None:
            return frame
        x0, y0, x1, y1 = self.window
        return np.ascontiguousarray(frame[y0:y1, x0:x1])
