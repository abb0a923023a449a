"""A video file as PyAV opens it: how long it is, how often its key frames come, and its pictures the right way up.

PyAV and not OpenCV, which decodes on from the key frame to the moment that was asked for (8 to 25 times the work), and
which lands minutes beside it in videos whose frame rate changes, as recorders that wait for motion leave them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.errors import MineHatError, missing

SAME = 1e-4  # seconds; time stamps nearer than this are one
GAPS = 8  # between key frames that are measured
LONG = 600.0  # seconds; a longer video is looked at by its key frames though they come more seldom than was asked,
RARE = 60.0  # if they come at least so often, in seconds
Frame = npt.NDArray[np.uint8]  # [h, w, 3] BGR


def load_av() -> Any:
    """PyAV. Raises MineHatError where it is absent."""
    try:
        import av
    except ModuleNotFoundError as exc:
        raise missing("PyAV", "look at videos", "`pip install av`.") from exc
    return av


def opened(path: Path) -> Any:
    """PyAV's container, to be closed by the caller. Raises MineHatError where there is no video in it."""
    av = load_av()
    try:
        container = av.open(os.path.abspath(path))  # libav takes what stands before a colon in a name for a protocol
    except PermissionError as exc:
        raise MineHatError(f"{path} cannot be read: permission denied.") from exc
    except (av.error.FFmpegError, UnicodeEncodeError) as exc:
        raise MineHatError(f"{path} cannot be opened as a video: it is cut short, or no picture or video "
                           "at all.") from exc
    if not container.streams.video:
        container.close()
        raise MineHatError(f"{path} holds no video.")
    return container


def length_of(path: Path) -> float:
    """Seconds; 0 where the video does not say. Raises MineHatError where it cannot be opened."""
    with opened(path) as container:
        return promised(container)


def promised(container: Any) -> float:
    """Seconds of its pictures, as told in the file or by their count, whichever is more; 0 where neither is.

    The container's own length is that of its longest stream, sound perhaps, and stands in where there is no better.
    """
    stream = container.streams.video[0]
    counted = stream.frames / float(stream.average_rate) if stream.frames and stream.average_rate else 0.0
    told = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
    return max(counted, told)


def keys_suffice(path: Path, every: float) -> bool:
    """Whether looking at key frames alone gives a look every `every` seconds, or the video is long enough without.

    Told by the first few. Nothing is decoded.
    """
    with opened(path) as container:
        within = max(every, RARE) if promised(container) > LONG else every
        key, keys = None, 0
        for packet in container.demux(container.streams.video[0]):
            now = seconds_of(packet)
            if not packet.size or keys == GAPS:
                break
            if now is None or (key is not None and now - key > within + SAME):
                return False
            if packet.is_keyframe:
                key, keys = now, keys + 1
    return True


def seconds_of(packet: Any) -> float | None:
    """On the stream's own clock, which may start anywhere; None where it bears no time."""
    stamp = packet.dts if packet.pts is None else packet.pts
    return None if stamp is None else float(stamp * packet.time_base)


def upright(frame: Any) -> Frame:
    """PyAV's frame as BGR, turned as the video says."""
    picture: Frame = frame.to_ndarray(format="bgr24")
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
