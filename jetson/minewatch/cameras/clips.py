"""Clips: a stream's own packets, copied into fragmented MP4 without being encoded again.

Each is written under a scratch name beside its own and gets that when it is whole. The scratch file of a
reader that was killed can be played up to its last fragment: the store gives it its name after all.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av

from .messages import Clip, ClipDone
from .ring import Kept, Ring

TICK = Fraction(1, 90000)  # second
LEAST = 90  # ticks between two packets; MP4 may count more coarsely than we do
OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1",
           "frag_duration": "2000000"}  # microseconds, after which a fragment ends even without a key frame
LEAP = 5.0  # seconds between two packets, beyond which their own time stamps are not believed
AT_ONCE = 8  # clips that are written side by side
BACKLOG = 48_000_000  # bytes that wait for a disk, after which a clip is given up
SCRATCH = ".part.mp4"
FAULTS = (av.error.FFmpegError, OSError, ValueError)  # of PyAV and disks


class Clips:
    """All clips of one connection, each written by a thread of its own: a slow disk holds up no frame."""

    def __init__(self, before: float, say: Callable[[ClipDone], None]) -> None:
        self._ring, self._say = Ring(before), say
        self._template: Any | None = None
        self._lock = threading.Lock()
        self._running: list[_Writer] = []

    def copy_of(self, template: Any | None) -> None:
        """The source is open: its clips are made like this stream of PyAV. None: it has no packets, or closes now."""
        with self._lock:
            self._template = template

    def add(self, kept: Kept) -> None:
        """The newest packet of the stream."""
        with self._lock:
            self._ring.add(kept)
            for writer in self._running:
                writer.add(kept)

    def begin(self, clip: Clip) -> None:
        """Write this one; ClipDone is said when it is done or cannot be."""
        with self._lock:
            if fault := self._fault():
                return self._say(ClipDone(clip.path, 0, fault))
            try:
                writer = _Writer(clip, self._template, self._say)
            except FAULTS as exc:  # of a codec that MP4 does not hold
                return self._say(ClipDone(clip.path, 0, f"this stream cannot be copied into MP4: {exc}"))
            for kept in self._ring.since(clip.began):
                writer.add(kept)
            if clip.ended <= time.monotonic():
                writer.end()
            writer.start()
            self._running.append(writer)

    def finish(self, seconds: float) -> bool:
        """End all clips with what they have. False where some could not be within that time."""
        deadline = time.monotonic() + seconds
        with self._lock:
            running, self._running, self._template = self._running, [], None  # none begins any more
        for writer in running:
            writer.end()
        for writer in running:
            writer.join(max(0.0, deadline - time.monotonic()))
        return not any(writer.is_alive() for writer in running)

    def _fault(self) -> str:
        if self._template is None:
            return "this source gives no packets that could be copied"
        self._running = [writer for writer in self._running if writer.is_alive()]
        return f"{AT_ONCE} clips of this camera are being written already" if len(self._running) >= AT_ONCE else ""


class _Writer(threading.Thread):
    """One clip."""

    def __init__(self, clip: Clip, template: Any, say: Callable[[ClipDone], None]) -> None:
        """What is needed of the template is taken here, while its source is open; nothing is written yet."""
        super().__init__(name=f"clip {clip.path}", daemon=True)
        self.fed = False  # it needs no more packets
        self._clip, self._say = clip, say
        self._packets: queue.SimpleQueue[Kept | None] = queue.SimpleQueue()
        self._came = self._written = 0  # bytes
        self._out = _Forward()
        self._container = av.open(self._out, "w", format="mp4", container_options=OPTIONS)
        self._stream = self._container.add_stream_from_template(template)

    def add(self, kept: Kept) -> None:
        self._came += len(kept.coded.data)
        if kept.moment > self._clip.ended or self._came - self._written > BACKLOG:
            self.end()
        elif not self.fed:
            self._packets.put(kept)

    def end(self) -> None:
        if not self.fed:
            self.fed = True
            self._packets.put(None)

    def run(self) -> None:
        try:
            done = ClipDone(self._clip.path, self._write(Path(self._clip.path)))
        except FAULTS as exc:
            done = ClipDone(self._clip.path, 0, f"{Path(self._clip.path).name} was not written: "
                                                f"{getattr(exc, 'strerror', None) or exc}")
        self._say(done)

    def _write(self, path: Path) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_of(path)
        try:
            with open(scratch, "wb", opener=_private) as self._out.file, self._container:
                self._copy()
                self._container.close()
                self._out.file.flush()
                os.fsync(self._out.file.fileno())
            os.replace(scratch, path)
        except BaseException:
            with suppress(OSError):
                scratch.unlink()
            raise
        return path.stat().st_size

    def _copy(self) -> None:
        kept = self._packets.get()
        if kept is None:
            raise ValueError("the stream gave no key frame in its time")
        timeline = Timeline(kept)
        while kept is not None:
            packet = av.Packet(kept.coded.data)
            packet.dts, packet.pts = timeline.ticks(kept)
            packet.time_base, packet.stream, packet.is_keyframe = TICK, self._stream, kept.coded.key
            self._container.mux(packet)
            self._written += len(kept.coded.data)
            kept = self._packets.get()


class Timeline:
    """Time stamps of a clip, in ticks from 0 and always rising, whatever those of the stream do."""

    def __init__(self, first: Kept) -> None:
        self._last, self._dts = first, 0

    def ticks(self, kept: Kept) -> tuple[int, int]:
        """Decoding and presentation time of the next packet."""
        if kept is not self._last:
            self._dts += max(LEAST, round(self._step(kept) / TICK))
        self._last = kept
        coded = kept.coded
        ahead = 0 if coded.pts is None or coded.dts is None else (coded.pts - coded.dts) * coded.time_base
        return self._dts, self._dts + (round(ahead / TICK) if 0 <= ahead <= LEAP else 0)

    def _step(self, kept: Kept) -> float:
        here, there = _stamp(kept), _stamp(self._last)
        step = -1.0 if here is None or there is None else here - there
        return step if 0 < step <= LEAP else max(0.0, kept.moment - self._last.moment)


def scratch_of(path: Path) -> Path:
    """Where a clip lies while it is written."""
    return path.with_name(f".{path.stem}{SCRATCH}")


class _Forward:
    """A file that PyAV writes to from front to back, each piece at once; opened later than PyAV thinks."""

    file: IO[bytes]

    def write(self, content: bytes) -> int:
        written = self.file.write(content)
        self.file.flush()
        return written


def _stamp(kept: Kept) -> float | None:
    stamp = kept.coded.pts if kept.coded.dts is None else kept.coded.dts
    return None if stamp is None else float(stamp * kept.coded.time_base)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)
