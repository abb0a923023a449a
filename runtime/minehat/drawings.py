"""A folder of drawn pictures and videos, one for each input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .detections import Detections
from .draw import drawn
from .errors import MineHatError
from .files import ready_folder, written_whole
from .pictures import write_picture
from .sources import Input, Shot
from .video_writer import VideoWriter


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
        self._writer: VideoWriter

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
            self._writer = self._video.enter_context(VideoWriter(scratch, width, height, shot.fps or 25.0))
        self._writer.add(picture)

    def __enter__(self) -> Drawings:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._video.__exit__(*exc)


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
