"""What every kind of camera looks like to its reader: opened, then read a step at a time until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from .messages import Cause

Pixels = npt.NDArray[np.uint8]
MOST_PIXELS = 64_000_000  # of one picture; what says that it is larger is refused before room is made for it


@dataclass(frozen=True)
class Plan:
    """What a reader process is told of its camera. It travels through a pipe, password and all."""

    kind: Literal["stream", "usb", "files"]
    place: str  # URL without user and password, device, or path of a video or folder
    user: str | None = None
    password: str | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    decoder: Literal["auto", "pyav", "gstreamer"] = "auto"
    most_fps: float | None = None  # of the frames that are handed on
    widest: int = 1920
    stall: float = 2.0  # seconds without a frame, after which the watch ends the connection
    repeat: bool = False
    before: float = 5.0  # seconds of packets that are kept for clips; 0: none are

    @property
    def live(self) -> bool:
        """Whether it gives frames at its own pace, so that silence is a fault."""
        return self.kind != "files"


class Image(Protocol):
    """A decoded picture that has not been turned into BGR yet: most never need to be."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...

    def write_bgr(self, out: Pixels) -> None:
        """Scaled into `out`, uint8 [h, w, 3] BGR of any size."""
        ...

    def grey(self, height: int, width: int) -> bytes:
        """Scaled to height x width, one byte a pixel, row by row."""
        ...


@dataclass(frozen=True)
class Coded:
    """A packet as it came from the camera, for clips."""

    data: bytes
    pts: int | None  # in `time_base`
    dts: int | None
    time_base: Fraction  # seconds
    key: bool  # a decoder can begin with it


@dataclass(frozen=True)
class Frame:
    """One decoded picture and what is known of it."""

    image: Image
    seconds: float | None = None  # the stream's own time stamp
    key: bool = True  # made without any other picture
    corrupt: bool = False  # the decoder says that it is damaged
    camera_time: float | None = None  # wall clock of the camera, seconds since 1970
    name: str = ""  # of the file in a folder


@dataclass(frozen=True)
class Taken:
    """What one step gave: a packet, the pictures that it completed, both, or nothing."""

    frames: tuple[Frame, ...] = ()
    coded: Coded | None = None
    fault: str = ""  # one picture of many could not be read: which and why, one line


class Source(Protocol):
    """A camera that a reader can read. A context manager: opened by `with`, which may take seconds.

    `with` and the steps raise SourceLost. A live source may block in a step for as long as its own
    time limits allow (the watch has its own clock, and kills the process); one that is not live gives
    an empty Taken at least twice a second.
    """

    codec: str  # known once it is open: h264, hevc, mjpeg, png, ...
    fps: float | None  # as the camera says itself
    template: Any | None  # a stream of PyAV that clips are made like; None: this source gives no packets

    def __enter__(self) -> Source: ...
    def __exit__(self, *exc: object) -> None: ...

    def steps(self) -> Iterator[Taken]:
        """What comes, until the source ends."""
        ...


class SourceLost(Exception):
    """A source cannot be opened, or has ended: the cause, and one line for people without secrets."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause: Cause = cause
        self.text = text
