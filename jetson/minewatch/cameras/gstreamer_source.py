"""A network camera read by GStreamer, with Jetson's hardware decoder where it is, else in software."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from minehat.errors import Missing

from . import gstreamer_faults
from .address import address_of
from .gstreamer_gi import load_gstreamer, refuse_without
from .gstreamer_image import GStreamerImage
from .gstreamer_pipeline import CODECS, connection, decoding, jetson_decoder
from .gstreamer_redirects import RedirectGuard
from .pyav_source import Refuse
from .source import MOST_PIXELS, Coded, Frame, Plan, SourceLost, Taken

OPEN = 4.5  # seconds until the first key frame; the watch gives up at 5
ANSWER = 2.0  # seconds that the camera may take to answer a request
STEP = 0.25  # seconds between two looks for faults when nothing comes
TICKS = 90_000  # a second
REMEMBERED = 200  # packets whose pictures have not come yet


class GStreamerSource:
    """A stream. See Source. Its packets are seen before the decoder gets them: what is known of a picture is theirs.

    refuse: never returns; called, where a stream is redirected to another host, in a thread of GStreamer's.
    """

    def __init__(self, plan: Plan, refuse: Refuse) -> None:
        self._plan, self._address, self._refuse = plan, address_of(plan.place), refuse
        self.codec = ""
        self.fps: float | None = None
        self.template: Any | None = None
        self._packets: deque[Coded] = deque(maxlen=REMEMBERED)
        self._known: deque[tuple[int, bool, bool]] = deque(maxlen=REMEMBERED)  # pts, key frame, a loss before it
        self._offered: list[str] = []  # codecs of the camera's streams
        self._lost: SourceLost | None = None

    def __enter__(self) -> GStreamerSource:
        try:
            self._gst, self._video = load_gstreamer()
            self._hardware = jetson_decoder()
            for codec in CODECS.values():
                refuse_without(self._gst, decoding(codec, self._hardware))
        except Missing as exc:
            raise SourceLost("missing", str(exc)) from exc
        self._sink: Any | None = None
        self._pipeline = self._gst.Pipeline.new()
        self._bus = self._pipeline.get_bus()
        try:
            self._pipeline.add(self._made_source())
            with RedirectGuard(self._gst, self._address, self._refuse):
                self._pipeline.set_state(self._gst.State.PLAYING)
                self._wait_for_key_frame()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._pipeline.set_state(self._gst.State.NULL)
        if self.template is not None:
            self.template.container.close()

    def steps(self) -> Iterator[Taken]:
        """Packets and pictures, as they come."""
        while True:
            sample = self._sink and self._sink.emit("try-pull-sample", int(STEP * self._gst.SECOND))
            while self._packets:
                yield Taken(coded=self._packets.popleft())
            if sample:
                yield Taken((self._frame(sample),))
            else:
                self._raise_fault(0.02)  # silence is the watch's to judge: no step is made of it

    def _made_source(self) -> Any:
        source = self._gst.ElementFactory.make("rtspsrc")
        for name, value in connection(self._plan, ANSWER).items():
            self._gst.util_set_object_arg(source, name, str(value))
        source.connect("select-stream", self._on_offer)
        source.connect("pad-added", self._on_pad)
        return source

    def _wait_for_key_frame(self) -> None:
        """Raises SourceLost where none comes in time."""
        deadline = time.monotonic() + OPEN
        while not any(one.key for one in list(self._packets)):
            self._raise_fault(0.01)
            if time.monotonic() > deadline:
                raise self._nothing_came()
        first = next(one for one in list(self._packets) if one.key)
        self.template = _template(first.data, self.codec)

    def _nothing_came(self) -> SourceLost:
        if self._offered and not self.codec:
            return SourceLost("format", f"{self._address.told}: it sends {', '.join(self._offered[:3])}, and GStreamer "
                              "is asked here for H264 or H265. Say `decoder: pyav` for this camera.")
        return SourceLost("timeout", f"{self._address.told}: no key frame within {OPEN:g} seconds")

    def _raise_fault(self, seconds: float) -> None:
        """What has gone wrong meanwhile. Waits up to `seconds` for it."""
        types = self._gst.MessageType
        message = self._bus.timed_pop_filtered(int(seconds * self._gst.SECOND), types.ERROR | types.EOS)
        if self._lost is not None:
            raise self._lost
        if message is not None and message.type == types.EOS:
            raise gstreamer_faults.lost("closed the connection", self._address)
        if message is not None and self._offered and not self.codec:
            raise self._nothing_came()
        if message is not None:
            error, told = message.parse_error()
            raise gstreamer_faults.lost(f"{error.message} {told}", self._address)

    def _on_offer(self, _source: Any, _number: int, caps: Any) -> bool:
        """Whether a stream of the camera's description is asked for: the first that can be decoded, no other."""
        told = caps.get_structure(0)
        name = told.get_string("encoding-name") or ""
        if told.get_string("media") == "video":
            self._offered.append(name[:20])
        if self.codec or name not in CODECS:
            return False
        self.codec = CODECS[name]
        self.fps = _rate(told.get_string("a-framerate"))
        return True

    def _on_pad(self, _source: Any, pad: Any) -> None:
        """The stream begins: what decodes it is put behind it."""
        gst = self._gst
        part = gst.parse_bin_from_description(decoding(self.codec, self._hardware), True)
        self._sink = part.get_by_name("frames")
        parsed = part.get_by_name("parser").get_static_pad("src")
        parsed.add_probe(gst.PadProbeType.BUFFER | gst.PadProbeType.EVENT_DOWNSTREAM, self._on_parsed)
        self._pipeline.add(part)
        part.sync_state_with_parent()
        pad.link(part.get_static_pad("sink"))

    def _on_parsed(self, _pad: Any, info: Any) -> Any:
        """A packet, or what the stream says of itself, on its way to the decoder. In GStreamer's thread."""
        gst = self._gst
        if info.type & gst.PadProbeType.BUFFER:
            self._note(info.get_buffer())
        elif info.get_event().type == gst.EventType.CAPS:
            self._weigh(info.get_event().parse_caps().get_structure(0))
        return gst.PadProbeReturn.OK if self._lost is None else gst.PadProbeReturn.DROP

    def _weigh(self, told: Any) -> None:
        (_, width), (_, height) = told.get_int("width"), told.get_int("height")
        if width * height > MOST_PIXELS:
            self._lost = SourceLost("format", f"{self._address.told}: it claims pictures of {width} x {height}; "
                                    f"at most {MOST_PIXELS // 1_000_000} million pixels are read")

    def _note(self, buffer: Any) -> None:
        flags = self._gst.BufferFlags
        key = not buffer.has_flags(flags.DELTA_UNIT)
        torn = buffer.has_flags(flags.DISCONT) or buffer.has_flags(flags.CORRUPTED)
        self._known.append((buffer.pts, key, torn and not key))
        if self._plan.before or self.template is None:
            data = buffer.extract_dup(0, buffer.get_size())
            self._packets.append(Coded(data, self._ticks(buffer.pts), self._ticks(buffer.dts), Fraction(1, TICKS), key))

    def _frame(self, sample: Any) -> Frame:
        buffer = sample.get_buffer()
        known = next((one for one in list(self._known) if one[0] == buffer.pts), (0, False, False))
        if known in self._known:
            self._known.remove(known)
        _, key, torn = known
        corrupt = torn or buffer.has_flags(self._gst.BufferFlags.CORRUPTED)
        ticks = self._ticks(buffer.pts)
        seconds = None if ticks is None else ticks / TICKS
        return Frame(GStreamerImage(sample, self._gst, self._video), seconds, key, corrupt)

    def _ticks(self, moment: int) -> int | None:
        return None if moment == self._gst.CLOCK_TIME_NONE else moment * TICKS // int(self._gst.SECOND)


def _template(data: bytes, codec: str) -> Any:
    """A stream of PyAV like the one that this packet begins."""
    return av.open(io.BytesIO(data), format=codec).streams.video[0]


def _rate(told: str | None) -> float | None:
    """Frames a second as SDP says them."""
    try:
        return float(told) if told else None
    except ValueError:
        return None
