"""Footage to pick from: pictures, folders of pictures and videos, and videos looked at once in so many seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError
from minehat.inputs import Input
from minehat.pictures import SUFFIXES, read_picture
from minehat.videos import frame_seconds, open_capture, promised

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".ts", ".mts", ".mpg", ".mpeg", ".wmv",
                            ".asf", ".flv", ".h264", ".h265"})
LEAP = 10.0  # seconds; a video is sought when the next frame lies farther ahead, and decoded on when nearer
RUN_UP = 1.0  # seconds before the wanted frame that a seek aims at
SAME = 1e-4  # seconds; time stamps nearer than this are one
Frame = npt.NDArray[np.uint8]  # [h, w, 3] BGR
Failed = dict[str, str]  # what could not be used -> the reason


@dataclass(frozen=True)
class Footage:
    """One picture or one video."""

    path: Path
    is_video: bool

    @property
    def source(self) -> str:
        """What a choice is spread over: a video is a source, and so is a folder with all the pictures in it."""
        return str(self.path if self.is_video else self.path.parent)


def find_footage(places: Sequence[str | Path], failed: Failed) -> list[Footage]:
    """The pictures and videos of the places, each once; folders are searched through but for hidden names."""
    found = {footage.path.resolve(): footage for place in places for footage in _found_at(Path(place), failed)}
    return list(found.values())


def count_looks(found: Sequence[Footage], every: float) -> int:
    """About how many frames `looks` will give."""
    return sum(_steps(one, every) if one.is_video else 1 for one in found)


def looks(found: Sequence[Footage], every: float, failed: Failed) -> Iterator[tuple[Footage, float | None, Frame]]:
    """Each picture, and of each video a frame every `every` seconds; with the seconds of a video's frame.

    What cannot be read goes into `failed`; of a video that ends early the frames before the end are given.
    """
    for one in found:
        try:
            if one.is_video:
                yield from ((one, seconds, frame) for seconds, frame in _walked(one, every))
            else:
                yield one, None, read_picture(one.path)
        except MineHatError as exc:
            failed[str(one.path)] = str(exc)


def frames_at(one: Footage, times: Sequence[float | None], failed: Failed) -> Iterator[Frame]:
    """The frames that `looks` gave, once more. times: ascending; of a picture [None]. Ends early where one is gone."""
    try:
        if not one.is_video:
            yield read_picture(one.path)
            return
        with Film(one.path) as film:
            for seconds in times:
                shot = film.frame_from(seconds or 0.0)
                if shot is None:
                    raise MineHatError(f"{one.path}: its frame at {seconds} s cannot be read a second time.")
                yield shot[1]
    except MineHatError as exc:
        failed[str(one.path)] = str(exc)


class Film:
    """A video read forwards by time. A context manager."""

    def __init__(self, path: Path) -> None:
        self._one = Input(str(path), str(path), 0)
        self._capture: Any = None

    def __enter__(self) -> Film:
        self._open()
        count, self._fps = promised(self._capture)
        self.length = count / self._fps  # seconds; 0 where the container does not say
        self._timed = True  # until a seek went wrong
        return self

    def __exit__(self, *exc: object) -> None:
        self._capture.release()

    @property
    def now(self) -> float:
        """Seconds of the last frame reached; negative before the first one."""
        return self._now

    def frame_from(self, seconds: float) -> tuple[float, Frame] | None:
        """(seconds, frame) of the first frame not before `seconds`; None when there is none. Never goes back."""
        if self._timed and seconds - self._now > LEAP:
            self._leap(seconds)
        while self._now < seconds - SAME:
            if not self._grab():
                return None
        good, frame = self._capture.retrieve()
        return (self._now, frame) if good else None

    def _open(self) -> None:
        self._capture = open_capture(self._one)
        self._now, self._count = -1.0, 0

    def _grab(self) -> bool:
        if not self._capture.grab():
            return False
        self._now = frame_seconds(self._capture, self._count, self._fps)
        self._count += 1
        return True

    def _leap(self, seconds: float) -> None:
        """Seek to shortly before; where that fails, back to where we were and on by decoding."""
        before = self._now
        if not self._seek(seconds) and not self._seek(before):
            self._capture.release()
            self._timed = False
            self._open()

    def _seek(self, seconds: float) -> bool:
        """A seek is believed if the next frame has a time stamp and is not past the one that is wanted."""
        self._capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * max(0.0, seconds - RUN_UP))
        return self._grab() and self._capture.get(cv2.CAP_PROP_POS_MSEC) > 0 and self._now <= seconds + SAME


def _found_at(place: Path, failed: Failed) -> list[Footage]:
    if not place.exists():
        failed[str(place)] = f"{place}: no such picture, folder or video."
        return []
    if not place.is_dir():
        return [Footage(place, place.suffix.lower() not in SUFFIXES)]
    inside = [path for path in sorted(place.rglob("*"))
              if not any(part.startswith(".") for part in path.relative_to(place).parts) and path.is_file()]
    known = [Footage(path, path.suffix.lower() in VIDEO_SUFFIXES) for path in inside
             if path.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES]
    if not known:
        failed[str(place)] = f"{place}: the folder holds no picture and no video."
    return known


def _walked(one: Footage, every: float) -> Iterator[tuple[float, Frame]]:
    with Film(one.path) as film:
        due = 0.0
        while (shot := film.frame_from(due)) is not None:
            yield shot
            due = (int((shot[0] + SAME) / every) + 1) * every
        if film.now < 0 or film.length - film.now > max(2.0, 0.02 * film.length):
            raise MineHatError(f"{one.path} ends early: {max(0.0, film.now):.1f} s could be read of "
                               f"{film.length:.1f} s. The file is damaged or cut short.")


def _steps(one: Footage, every: float) -> int:
    try:
        with Film(one.path) as film:
            return int(film.length / every) + 1
    except MineHatError:
        return 0
