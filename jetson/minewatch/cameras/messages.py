"""What a reader process and the watch say to each other, through one pipe, as these classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Cause = Literal["refused", "not_found", "auth", "no_route", "timeout", "stalled", "ended", "broken", "unplugged",
                "missing", "forbidden", "format", "killed"]


@dataclass(frozen=True)
class Opened:
    """The camera answers. Its frames come into a shared memory of this name."""

    memory: str  # as slots.attached knows it; made anew, with another Opened, when the size changes
    slots: int  # frames that it holds, one after another, each height * width * 3 bytes, BGR
    height: int
    width: int
    codec: str  # h264, hevc, mjpeg, png, ...
    fps: float | None  # as the camera says itself


@dataclass(frozen=True)
class Arrived:
    """A whole frame lies in slot `slot`; it belongs to the watch until `Free`."""

    slot: int
    number: int  # of frames decoded since the connection opened, from 0
    moment: float  # time.monotonic() when it was decoded; the same clock in all processes of a machine
    seconds: float | None  # the stream's own time stamp
    camera_time: float | None = None  # wall clock of the camera, seconds since 1970, where it tells one
    thumb: bytes | None = field(default=None, repr=False)  # THUMB_HEIGHT x THUMB_WIDTH grey bytes, twice a second
    print: int = 0  # beside each thumb: CRC-32 of all of the frame's bytes, to tell a frozen picture
    quarantined: int = 0  # frames held back since the last `Arrived` because they were damaged
    dropped: int = 0  # whole frames that no slot was free for
    name: str = ""  # of the file in a folder


@dataclass(frozen=True)
class Beat:
    """The connection lives, though half a second brought no `Arrived`."""

    idle: bool = False  # nothing is due: a folder waits for new pictures
    quarantined: int = 0  # as in Arrived, since the last of either
    dropped: int = 0
    spared: int = 0  # whole frames that came sooner than `most_fps` lets them be looked at


@dataclass(frozen=True)
class Born:
    """The first word of a reader."""

    pid: int


@dataclass(frozen=True)
class Skipped:
    """One picture of many could not be read; the rest goes on."""

    text: str  # one line: which, and why


@dataclass(frozen=True)
class Lost:
    """The last word of a reader: why the connection ended. The process is gone then."""

    cause: Cause
    text: str  # one line, without secrets


@dataclass(frozen=True)
class ClipDone:
    """A clip is whole on disk, or could not be written."""

    path: str
    bytes: int
    fault: str = ""  # one line; "" when all went well


@dataclass(frozen=True)
class Free:
    """To the reader: the slot is its own again."""

    slot: int
    memory: str  # of which Opened


@dataclass(frozen=True)
class Clip:
    """To the reader: copy the stream from `began` to `ended` (monotonic, the past and the future) into `path`."""

    path: str  # *.mp4
    began: float
    ended: float


@dataclass(frozen=True)
class Leave:
    """To the reader: finish clips and go."""


THUMB_HEIGHT, THUMB_WIDTH = 90, 160
FromReader = Born | Opened | Arrived | Beat | Skipped | Lost | ClipDone
