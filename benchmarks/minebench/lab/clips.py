"""Clips that a camera can play in a loop: read from a file, or made on the spot from frames."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from minehat import scenes
from minehat.errors import MineHatError
from minehat.files import written_whole

from .nals import FAMILIES, Family, units

Frame = npt.NDArray[np.uint8]
# one slice a picture and no sliced threads: lost packets then hit one picture each, and every client decodes alike
X264 = "sliced-threads=0:slices=1:keyint={keys}:min-keyint={keys}:scenecut=0:bframes=0:rc-lookahead=0"
X265 = "keyint={keys}:min-keyint={keys}:scenecut=0:bframes=0:rc-lookahead=0:log-level=none"


@dataclass(frozen=True)
class Unit:
    """One picture's NAL units, in the order that a decoder wants them."""

    nals: tuple[bytes, ...]
    seconds: float  # from the beginning of the clip
    key: bool


@dataclass(frozen=True)
class Clip:
    """A clip in memory. Its first picture is a key frame."""

    codec: str  # h264 or hevc
    width: int
    height: int
    units: tuple[Unit, ...]
    duration: float  # seconds until it can begin anew

    @property
    def family(self) -> Family:
        """How its units are read."""
        return FAMILIES[self.codec]

    @property
    def fps(self) -> float:
        """Pictures a second."""
        return len(self.units) / self.duration

    def parameter_sets(self) -> list[bytes]:
        """One of each kind, in order."""
        first = {self.family.kind(nal): nal for nal in reversed(self.units[0].nals)}
        return [first[kind] for kind in self.family.sets]


def read_clip(path: Path) -> Clip:
    """A video file's H.264 or H.265 stream. Raises MineHatError where it holds none."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        codec = video.codec_context.name
        if codec not in FAMILIES:
            raise MineHatError(f"{path.name} is {codec}; the camera plays h264 and hevc. "
                               f"Convert it: ffmpeg -i {path.name} -c:v libx264 -bf 0 new.mp4")
        filtered = BitStreamFilterContext(f"{codec}_mp4toannexb", video)
        packets = [(packet, float(packet.pts * packet.time_base))
                   for whole in container.demux(video) if whole.size for packet in filtered.filter(whole)]
        begin, step = packets[0][1], float(1 / video.average_rate)
        pictures = tuple(Unit(tuple(units(bytes(packet))), seconds - begin, packet.is_keyframe)
                         for packet, seconds in packets)
        size = video.codec_context.width, video.codec_context.height
    return Clip(codec, *size, pictures, max(unit.seconds for unit in pictures) + step)


def write_clip(path: Path, frames: Iterable[Frame], fps: float = 25, keys: int = 25, codec: str = "h264") -> Path:
    """Encode frames [h, w, 3] BGR of one size, even sides, into an .mp4 with a key frame every `keys` frames."""
    h264 = codec == "h264"
    options = {"preset": "veryfast", "x264-params": X264.format(keys=keys)} if h264 else {
        "preset": "ultrafast", "x265-params": X265.format(keys=keys)}
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264" if h264 else "libx265", rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            shown = av.VideoFrame.from_ndarray(frame, format="bgr24").reformat(format="yuv420p")
            shown.pts, shown.time_base = number, 1 / rate
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    return path


def blocks(path: Path, seconds: float = 2.0, fps: float = 25, width: int = 320, height: int = 192,
           keys: int = 25, seed: int = 0, codec: str = "h264") -> Path:
    """A cheap clip: coloured blocks that move over soft noise, no two frames alike."""
    return write_clip(path, moving_blocks(round(seconds * fps), width, height, seed), fps, keys, codec)


def moving_blocks(count: int, width: int, height: int, seed: int = 0) -> Iterator[Frame]:
    """`count` frames [height, width, 3] BGR."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(40, 90, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    still = ground.repeat(8, 0).repeat(8, 1)[:height, :width]
    colours = rng.integers(0, 255, (6, 3))
    places, speeds = rng.uniform(0, 1, (6, 2)), rng.uniform(-0.04, 0.04, (6, 2))
    side = height // 6
    for number in range(count):
        frame = still.copy()
        for colour, (across, down) in zip(colours, (places + number * speeds) % 1, strict=True):
            left, top = int(across * (width - side)), int(down * (height - side))
            frame[top:top + side, left:left + side] = colour
        frame[:4, : 4 * (number % (width // 4)) + 4] = 255  # a bar that tells the number
        yield frame


def scene_clip(seed: int = 7, seconds: float = 8.0, fps: float = 12.5, width: int = 640, height: int = 360,
               people: int | None = None, folder: Path | None = None) -> Path:
    """A gallery with people in it, rendered once and kept in `folder` (the machine's temporary one)."""
    kept = folder or Path(tempfile.gettempdir()) / f"minehat-clips-{os.getuid()}"
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    crowd = "some" if people is None else people
    path = kept / f"scene-{seed}-{seconds:g}s-{fps:g}fps-{width}x{height}-{crowd}.mp4"
    if not path.exists():
        film = scenes.film(seed, round(seconds * fps), width, height, fps, people)
        with written_whole(path) as scratch:
            write_clip(scratch, (shot.frame for shot in film), fps, round(2 * fps))
    return path
