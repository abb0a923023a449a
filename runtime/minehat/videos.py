"""Videos and cameras, frame by frame, read by OpenCV's FFmpeg."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import MineHatError
from .guests import load_cv2, quiet_cv2
from .inputs import Input

OPEN_MS = READ_MS = 5000  # how long a camera may keep silent
MOST_FPS = 1000.0  # more is a clock's rate that a stream without a frame rate reports


@dataclass(frozen=True)
class Shot:
    """One frame and where it came from."""

    source: str  # path as it was given (a folder's: folder/name); of a camera the URL without its secrets
    frame: npt.NDArray[np.uint8]  # [h, w, 3] BGR
    index: int | None = None  # of the frame in a video or since a camera was opened, from 0
    seconds: float | None = None  # of that frame: time stamp in a video, since the first one of a camera
    fps: float | None = None  # of the video or camera, as it says itself


def read_video(one: Input) -> Iterator[Shot]:
    """Its frames. Raises MineHatError when it cannot be opened, or after the last good frame of a video
    or camera that stops early."""
    capture = open_capture(one)
    try:
        expected, fps = promised(capture)
        count, begun = 0, 0.0
        while True:
            good, frame = capture.read()
            if not good:
                break
            begun = begun or time.monotonic()
            seconds = time.monotonic() - begun if one.is_camera else frame_seconds(capture, count, fps)
            yield Shot(one.name, frame, count, round(seconds, 3), fps)
            count += 1
    finally:
        capture.release()
    check_whole(one, count, expected, fps)


def said_frames(one: Input) -> int:
    """How many frames a video says it has; 0 where it does not say, 1 where it cannot be opened."""
    try:
        capture = open_capture(one)
    except MineHatError:
        return 1
    try:
        return promised(capture)[0]
    finally:
        capture.release()


def open_capture(one: Input) -> Any:
    """OpenCV's capture, to be released by the caller. Raises MineHatError when it cannot be opened."""
    cv2 = quiet_cv2("read videos and cameras")
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
    # An absolute path, for libav takes what stands before a colon in a bare name for a protocol.
    place = one.place if one.is_camera else os.path.abspath(one.place)
    if not _is_utf8(place):  # OpenCV 5.0 crashes on such a name
        raise MineHatError(f"{one.name} cannot be opened by OpenCV: its name is not UTF-8. Rename it.")
    capture = cv2.VideoCapture(place, cv2.CAP_FFMPEG, limits if one.is_camera else [])
    if not capture.isOpened():
        capture.release()
        raise MineHatError(_unopened(one))
    return capture


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unopened(one: Input) -> str:
    if one.is_camera:
        return f"{one.name} cannot be opened. Check the address, the password and the network."
    if not os.access(one.place, os.R_OK):
        return f"{one.name} cannot be read: permission denied."
    return f"{one.name} cannot be opened as a video: it is cut short, or no picture or video at all."


def promised(capture: Any) -> tuple[int, float]:
    """How many frames the container speaks of (0: it does not), and how many a second."""
    cv2 = quiet_cv2("read videos and cameras")
    count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    return int(count) if 0 < count < 1e9 else 0, fps if 0 < fps <= MOST_FPS else 25.0


def frame_seconds(capture: Any, index: int, fps: float) -> float:
    """Seconds of the frame just read; by its number where the container gives no time."""
    stamp: float = capture.get(load_cv2("read videos").CAP_PROP_POS_MSEC) / 1000
    return stamp if stamp > 0 else index / fps


def check_whole(one: Input, count: int, expected: int, fps: float) -> None:
    """Raise where a video ended early. Containers estimate, so a few frames less are no failure."""
    if one.is_camera and not expected:
        raise MineHatError(f"{one.name} stopped sending after {count} frames.")
    slack = max(2.0, min(0.05 * expected, fps))
    if count < expected - slack or not count:
        raise MineHatError(f"{one.name} ends early: {count} frames could be read"
                           f"{f' of about {expected}' if expected else ''}. The file is damaged or cut short.")
