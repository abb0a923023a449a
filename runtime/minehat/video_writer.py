"""Videos written frame by frame, and counted when they are done, for OpenCV does not tell of a full disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import MineHatError
from .guests import quiet_cv2


class VideoWriter:
    """An .mp4 (MPEG-4 part 2, which every OpenCV can write). A context manager.

    Raises MineHatError where it cannot be begun, and on leaving where not every frame is in the file.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        cv2 = quiet_cv2("write videos")
        self._path, self._frames = path, 0
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), fps,
                                       (width, height))
        if not self._writer.isOpened():
            raise MineHatError(f"A video of {width}x{height} pixels cannot be written to {path.parent}.")

    def add(self, picture: npt.NDArray[np.uint8]) -> None:
        """Write one uint8 [height, width, 3] BGR frame."""
        self._writer.write(picture)
        self._frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._writer.release()
        if kind is None:
            self._check()

    def _check(self) -> None:
        cv2 = quiet_cv2("write videos")
        reader = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        held = reader.get(cv2.CAP_PROP_FRAME_COUNT) if reader.isOpened() else 0
        reader.release()
        if held < self._frames:
            raise MineHatError(f"{self._path.parent}: {held:.0f} of {self._frames} frames of a video could be "
                               "written. Free some room.")
