"""Streams, USB cameras and videos through libav, opened fast and with every limit that it has."""

from __future__ import annotations

import logging
import os
import struct
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NoReturn
from urllib.parse import quote

import av
import numpy as np
from minehat.errors import MineHatError

from .address import Address, address_of
from .causes import check_name, lost_at_open, lost_in_reading
from .lateness import Lateness, weighed
from .source import MOST_PIXELS, Coded, Frame, Pixels, Plan, SourceLost, Taken

OPEN = 4.5  # seconds until libav gives up opening; the watch does at 5
LATER = 2.0  # seconds beyond the watch's own patience after which libav gives up reading
PROBE = {"probesize": "65536", "analyzeduration": "500000", "max_streams": "16", "max_pixels": str(MOST_PIXELS)}
STREAM = {"protocol_whitelist": "rtsp,rtsps,rtp,tcp,udp,tls", "allowed_media_types": "video",
          "timeout": str(int(OPEN * 1e6))}
VIDEO = {"protocol_whitelist": "file"}
LARGE = 1280 * 720  # pixels, above which two threads decode
FAULTS = (av.error.FFmpegError, OSError, ValueError)  # of libav and PyAV
Refuse = Callable[[SourceLost], NoReturn]


class AvImage:
    """A decoded picture as libav has it."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._frame = frame

    @property
    def height(self) -> int:
        return self._frame.height

    @property
    def width(self) -> int:
        return self._frame.width

    def write_bgr(self, out: Pixels) -> None:
        """Scaled into `out`, uint8 [h, w, 3] BGR."""
        height, width, _ = out.shape
        out.reshape(height, width * 3)[...] = self._as("bgr24", height, width, 3)

    def grey(self, height: int, width: int) -> bytes:
        """Scaled, one byte a pixel."""
        return self._as("gray", height, width, 1).tobytes()

    def _as(self, format: str, height: int, width: int, depth: int) -> Pixels:
        plane = self._frame.reformat(width, height, format, interpolation="AREA").planes[0]
        rows: Pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return rows[:, :width * depth]


class PyAvSource:
    """A stream, a USB camera or a video. See Source.

    refuse: never returns; called, where a stream is redirected to another host, in the midst of libav.
    """

    def __init__(self, plan: Plan, refuse: Refuse) -> None:
        self.codec = ""
        self.fps: float | None = None
        self.template: Any | None = None
        self._plan, self._refuse = plan, refuse
        self._place = os.path.basename(plan.place)
        self._address: Address | None = None
        self._container: Any = None
        self._stream: Any = None
        self._late = Lateness()
        self._loop = Fraction(0)  # seconds that earlier rounds of a repeated video took

    def __enter__(self) -> PyAvSource:
        url, options, format = self._target()
        began = time.monotonic()
        try:
            with _RedirectGuard(self._address, self._refuse):
                self._container = av.open(url, format=format, options={**PROBE, **options},
                                          timeout=(OPEN, self._plan.stall + LATER))
            self._choose()
        except FAULTS as exc:
            self.__exit__()
            raise self._no_device() or lost_at_open(self._place, exc, time.monotonic() - began, OPEN) from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._stream = self.template = None

    def steps(self) -> Iterator[Taken]:
        """Packets and the pictures that they complete."""
        try:
            while True:
                pictured = False
                for taken in self._round():
                    pictured = pictured or bool(taken.frames)
                    yield taken
                if not (self._plan.repeat and self._plan.kind == "files"):
                    break
                if not pictured:
                    raise SourceLost("broken", f"{self._place}: no picture can be read of it any more")
                self._rewind()
        except FAULTS as exc:
            raise lost_in_reading(self._place, exc) from None
        raise SourceLost("unplugged" if self._plan.kind == "usb" else "ended",
                         f"{self._place}: {'the device is gone' if self._plan.kind == 'usb' else 'it ended'}")

    def _target(self) -> tuple[str, dict[str, str], str | None]:
        """URL, options and format for libav. Raises SourceLost where the host has no address."""
        if self._plan.kind == "usb":
            return os.path.realpath(self._plan.place), {}, "v4l2"
        if self._plan.kind == "files":
            return f"file:{self._plan.place}", VIDEO, None
        self._address = address_of(self._plan.place)
        self._place = self._address.told
        check_name(self._address.host, self._address.port)
        return _with_user(self._address, self._plan), {**STREAM, "rtsp_transport": self._plan.transport}, "rtsp"

    def _no_device(self) -> SourceLost | None:
        if self._plan.kind != "usb" or os.path.exists(self._plan.place):
            return None
        return SourceLost("unplugged", f"{self._plan.place}: no such device; is the camera plugged in?")

    def _choose(self) -> None:
        if not self._container.streams.video:
            raise SourceLost("format", f"{self._place}: it has no video")
        stream = self._container.streams.video[0]
        context = stream.codec_context
        check_size(self._place, context.width, context.height)
        context.options = {"max_pixels": str(MOST_PIXELS)}
        context.thread_type = "SLICE"  # frame threads would hold back as many frames
        context.thread_count = 2 if context.width * context.height > LARGE else 1
        self._stream, self.codec = stream, context.codec.name
        self.template = None if self.codec == "rawvideo" else stream
        self.fps = None if stream.average_rate is None else float(stream.average_rate)

    def _round(self) -> Iterator[Taken]:
        """Until the end of the stream, or of the file."""
        for packet in self._container.demux(self._stream):
            if self._plan.live:
                self._keep_up(packet)
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                yield Taken((), self._coded(packet))  # the frames that need it will be flagged, or leap
                continue
            told = camera_time(packet)
            yield Taken(tuple(self._framed(frame, told) for frame in frames), self._coded(packet))

    def _keep_up(self, packet: Any) -> None:
        """Decode key frames alone while we fall behind, and all again from a key frame on."""
        stamp = packet.dts if packet.pts is None else packet.pts
        self._late = weighed(self._late, None if stamp is None else float(stamp * packet.time_base), time.monotonic())
        if self._late.hurry:
            self._stream.codec_context.skip_frame = "NONKEY"
        elif packet.is_keyframe:
            self._stream.codec_context.skip_frame = "DEFAULT"

    def _coded(self, packet: Any) -> Coded | None:
        if self._plan.before <= 0 or not packet.size:
            return None
        shift = round(self._loop / packet.time_base)
        return Coded(bytes(packet), None if packet.pts is None else packet.pts + shift,
                     None if packet.dts is None else packet.dts + shift, packet.time_base, packet.is_keyframe)

    def _framed(self, frame: Any, told: float | None) -> Frame:
        check_size(self._place, frame.width, frame.height)
        seconds = None if frame.pts is None else float(frame.pts * frame.time_base + self._loop)
        return Frame(AvImage(frame), seconds, bool(frame.key_frame), bool(frame.is_corrupt), told)

    def _rewind(self) -> None:
        """To the beginning of the video; time goes on."""
        length = self._container.duration
        if not length:
            raise SourceLost("format", f"{self._place}: it does not say how long it is, so it cannot be repeated")
        self._loop += Fraction(length, av.time_base)
        self._container.seek(self._container.start_time or 0)


def camera_time(packet: Any) -> float | None:
    """The camera's wall clock at this packet, seconds since 1970: of its RTCP reports, where it sends any."""
    if not hasattr(packet, "has_sidedata") or not packet.has_sidedata("prft"):
        return None
    micros: int = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))[0]
    return micros / 1e6


def check_size(place: str, width: int, height: int) -> None:
    """Raises SourceLost for pictures that no camera of ours makes."""
    if width * height > MOST_PIXELS:
        raise SourceLost("format", f"{place}: pictures of {width}x{height} are larger than the "
                         f"{MOST_PIXELS / 1e6:.0f} megapixels that are read")


def _with_user(address: Address, plan: Plan) -> str:
    if plan.user is None:
        return address.open_url
    word = "" if plan.password is None else ":" + quote(plan.password, safe="")
    return address.open_url.replace("://", f"://{quote(plan.user, safe='')}{word}@", 1)


class _RedirectGuard(logging.Handler):
    """While a stream is opened, hears libav say where it is being redirected, before it goes there.

    libav follows a redirection to any host and has no option against it. What it logs of it comes in the
    thread that is about to connect, so `refuse`, which never returns, comes before the first packet.
    """

    def __init__(self, address: Address | None, refuse: Refuse) -> None:
        super().__init__(logging.INFO)
        self._address, self._refuse = address, refuse
        self._logger = logging.getLogger("libav")
        self._logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """One line of libav's."""
        _, found, target = record.getMessage().partition("Redirecting to ")
        if found and self._address is not None and not self._is_same(target.strip()):
            self._refuse(SourceLost("forbidden", f"{self._address.told}: it redirects to another host, which is not "
                                    "followed; name that one in the URL if it is yours"))

    def _is_same(self, target: str) -> bool:
        try:
            return self._address is not None and address_of(target).host == self._address.host
        except MineHatError:
            return False

    def __enter__(self) -> None:
        if self._address is not None:
            self._logger.addHandler(self)
            self._logger.setLevel(logging.INFO)
            av.logging.set_level(av.logging.INFO)

    def __exit__(self, *exc: object) -> None:
        av.logging.set_level(None)
        self._logger.removeHandler(self)
