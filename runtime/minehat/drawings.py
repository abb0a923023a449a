"""A folder of drawn pictures and videos, one for each input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .detections import Detections
from .draw import drawn
from .errors import MineHatError
from .files import ready_folder, written_whole
from .guests import load_cv2
from .pictures import write_picture
from .sources import Input, Shot


class Drawings:
    """Draws what was found into a folder. A context manager; a video is there when it is whole.

    a/x.png becomes x.jpg, clip.avi clip.mp4, and rtsp://host/cam host_cam.mp4; where two inputs would
    share a name, the later ones are x-2.jpg, x-3.jpg. Raises MineHatError, before anything is drawn,
    where the folder cannot be written to or holds one of the inputs.
    """

    def __init__(self, folder: str, inputs: Sequence[Input], classes: Sequence[str]) -> None:
        self._paths = _planned(Path(folder), inputs)
        self._classes = classes
        ready_folder(folder)
        self._video = ExitStack()  # holds the writer, and the scratch file that it writes
        self._writer: _VideoWriter

    def add(self, shot: Shot, found: Detections) -> None:
        """Draw one frame: a picture at once, a video's into the video."""
        picture, path = drawn(shot.frame, found, self._classes), self._paths[shot.source]
        if shot.index is None:
            write_picture(path, picture)
            return
        if shot.index == 0:
            self._video.close()
            height, width = picture.shape[:2]
            scratch = self._video.enter_context(written_whole(path))
            self._writer = self._video.enter_context(_VideoWriter(scratch, width, height, shot.fps or 25.0))
        self._writer.add(picture)

    def __enter__(self) -> Drawings:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._video.__exit__(*exc)


class _VideoWriter:
    """An .mp4 (MPEG-4 part 2, which every OpenCV can write) under a scratch name."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        cv2 = load_cv2("write videos")
        self._path, self._frames = path, 0
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), fps,
                                       (width, height))
        if not self._writer.isOpened():
            raise MineHatError(f"A video of {width}x{height} pixels cannot be written to {path.parent}.")

    def add(self, picture: npt.NDArray[np.uint8]) -> None:
        self._writer.write(picture)
        self._frames += 1

    def __enter__(self) -> _VideoWriter:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._writer.release()
        if kind is None:
            self._check()

    def _check(self) -> None:
        """OpenCV does not tell when the disk is full, so ask the file."""
        cv2 = load_cv2("write videos")
        reader = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        held = reader.get(cv2.CAP_PROP_FRAME_COUNT) if reader.isOpened() else 0
        reader.release()
        if held < self._frames:
            raise MineHatError(f"{self._path.parent}: {held:.0f} of {self._frames} drawn frames could be "
                               "written. Free some room.")


def _planned(folder: Path, inputs: Sequence[Input]) -> dict[str, Path]:
    """Input's name -> file, no two alike on any file system."""
    here, taken = folder.resolve(), set()
    paths: dict[str, Path] = {}
    for one in inputs:
        if not one.is_camera and Path(one.place).resolve().parent == here:
            raise MineHatError(f"--draw {folder}: {one.name} lies there. Name another folder, so that "
                               "no input is written over.")
        if one.name in paths:
            continue
        stem, suffix = _stem(one), ".jpg" if one.is_picture else ".mp4"
        name, count = stem, 1
        while (name + suffix).casefold() in taken:
            count += 1
            name = f"{stem}-{count}"
        taken.add((name + suffix).casefold())
        paths[one.name] = folder / (name + suffix)
    return paths


def _stem(one: Input) -> str:
    if not one.is_camera:
        return Path(one.name).stem
    return re.sub(r"[^\w.-]+", "_", one.name.partition("://")[2]).strip("_.") or "camera"
