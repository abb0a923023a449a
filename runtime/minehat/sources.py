"""Where frames come from: pictures, folders of pictures, videos and cameras, one shot after another."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import MineHatError, missing
from .pictures import SUFFIXES, read_picture

OPEN_MS = READ_MS = 5000  # how long a camera may keep silent

MOST_FPS = 1000.0  # more is a clock's rate that a stream without a frame rate reports

OnError = Callable[[MineHatError], None]


@dataclass(frozen=True)
class Shot:
    """One frame and where it came from."""

    source: str  # path as it was given (a folder's: folder/name); of a camera the URL without its secrets
    frame: npt.NDArray[np.uint8]  # [h, w, 3] BGR
    index: int | None = None  # of the frame in a video or since a camera was opened, from 0
    seconds: float | None = None  # of that frame: time stamp in a video, since the first one of a camera
    fps: float | None = None  # of the video or camera, as it says itself


@dataclass(frozen=True)
class Input:
    """One picture, video or camera of those that the sources name."""

    name: str  # what its shots are called
    place: str  # the path or URL to open
    given: int  # which of the sources named it

    @property
    def is_camera(self) -> bool:
        return is_url(self.place)

    @property
    def is_picture(self) -> bool:
        return not self.is_camera and Path(self.place).suffix.lower() in SUFFIXES


def shots(sources: list[str], on_error: OnError) -> Iterator[Shot]:
    """Every frame of every source in turn. What cannot be read goes to `on_error`, and the rest goes on.

    A source is a picture, a folder (the pictures that lie in it, by name; not its subfolders or hidden
    files), a video, or a camera's URL. A video or camera that stops early counts as failed after its
    last good frame.
    """
    yield from frames_of(listed(sources, on_error), on_error)


def listed(sources: list[str], on_error: OnError) -> list[Input]:
    """What the sources hold, nothing opened yet. Sources that are not there go to `on_error`."""
    inputs: list[Input] = []
    for given, source in enumerate(sources):
        try:
            inputs += _inputs(source, given)
        except MineHatError as exc:
            on_error(exc)
    return inputs


def frames_of(inputs: list[Input], on_error: OnError) -> Iterator[Shot]:
    """As `shots`, of inputs that were listed."""
    for one in inputs:
        try:
            if one.is_picture:
                yield Shot(one.name, read_picture(one.place))
            else:
                yield from _video(one)
        except MineHatError as exc:
            on_error(exc)


def count_frames(inputs: list[Input]) -> int | None:
    """How many frames to expect; None where a camera, or a video that does not say, is among them."""
    counts = [1 if one.is_picture else 0 if one.is_camera else _said_frames(one) for one in inputs]
    return sum(counts) if all(counts) else None


def is_url(source: str) -> bool:
    """Whether a source is a camera's (or a server's) URL rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def without_secrets(url: str) -> str:
    """The URL with *** for user and password and for the values of query keys that sound secret.

    Passwords hold unescaped @, / and ? in the wild: where the host's place is not plainly a host and a
    port, everything up to the last @ is hidden.
    """
    scheme, _, rest = url.partition("://")
    if not re.match(r"[^@/?#:]*(:\d+)?([/?#]|$)", rest) and "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    return f"{scheme}://" + re.sub(r"(?i)([?&][^=&]*(?:pass|pwd|token|key|secret|auth|sig)[^=&]*=)[^&#]*",
                                   r"\1***", rest)


def _inputs(source: str, given: int) -> list[Input]:
    if is_url(source):
        return [Input(without_secrets(source), source, given)]
    path = Path(source)
    try:
        if path.is_dir():
            names = sorted(entry.name for entry in os.scandir(path) if _is_listed_picture(entry))
            if not names:
                raise MineHatError(f"{source}: the folder holds no picture ({', '.join(sorted(SUFFIXES))}). "
                                   "Name videos and subfolders one by one.")
            return [Input(str(path / name), str(path / name), given) for name in names]
        if not path.exists():
            raise MineHatError(f"{source}: no such picture, folder or video.")
    except OSError as exc:
        raise MineHatError(f"{source} cannot be read: {exc.strerror or exc}.") from exc
    return [Input(source, source, given)]


def _is_listed_picture(entry: os.DirEntry[str]) -> bool:
    visible = not entry.name.startswith(".")
    return visible and Path(entry.name).suffix.lower() in SUFFIXES and entry.is_file()


def _video(one: Input) -> Iterator[Shot]:
    capture = _opened(one)
    try:
        expected, fps = _promised(capture)
        count, begun = 0, 0.0
        while True:
            good, frame = capture.read()
            if not good:
                break
            begun = begun or time.monotonic()
            seconds = time.monotonic() - begun if one.is_camera else _stamp(capture, count, fps)
            yield Shot(one.name, frame, count, round(seconds, 3), fps)
            count += 1
    finally:
        capture.release()
    _check_whole(one, count, expected, fps)


def _opened(one: Input) -> Any:
    cv2 = _load_cv2()
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


def _promised(capture: Any) -> tuple[int, float]:
    """How many frames the container speaks of (0: it does not), and how many a second."""
    cv2 = _load_cv2()
    count, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    return int(count) if 0 < count < 1e9 else 0, fps if 0 < fps <= MOST_FPS else 25.0


def _stamp(capture: Any, index: int, fps: float) -> float:
    """Seconds of the frame just read; by its number where the container gives no time."""
    stamp: float = capture.get(_load_cv2().CAP_PROP_POS_MSEC) / 1000
    return stamp if stamp > 0 else index / fps


def _check_whole(one: Input, count: int, expected: int, fps: float) -> None:
    """Raise where a video ended early. Containers estimate, so a few frames less are no failure."""
    if one.is_camera and not expected:
        raise MineHatError(f"{one.name} stopped sending after {count} frames.")
    slack = max(2.0, min(0.05 * expected, fps))
    if count < expected - slack or not count:
        raise MineHatError(f"{one.name} ends early: {count} frames could be read"
                           f"{f' of about {expected}' if expected else ''}. The file is damaged or cut short.")


def _said_frames(one: Input) -> int:
    try:
        capture = _opened(one)
    except MineHatError:
        return 1
    try:
        return _promised(capture)[0]
    finally:
        capture.release()


def _load_cv2() -> Any:
    # libav writes on stderr by itself, and reads this once, when the first video is opened.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ModuleNotFoundError as exc:
        raise missing("OpenCV", "read videos and cameras", "`pip install opencv-python-headless`, or on a "
                      "Jetson make the venv with --system-site-packages.") from exc
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
