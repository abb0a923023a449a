"""A video looked at here and there: its key frames are sought and decoded alone; only a short one is decoded whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError

from .container import SAME, Frame, keys_suffice, load_av, opened, promised, seconds_of, upright

RUN_UP = 5.0  # seconds before the wanted moment, for containers where a seek lands behind it
Shot = tuple[float, Frame]  # seconds from the start of the video, and what is seen


class Film:
    """A video read forwards, with a look every `every` seconds in mind. A context manager."""

    def __init__(self, path: Path, every: float) -> None:
        self._path, self._every = path, every

    def __enter__(self) -> Film:
        self.by_keys = keys_suffice(self._path, self._every)
        self._container = opened(self._path)
        self.length = promised(self._container)  # seconds; 0 where it does not say
        self.decoded = 0  # frames that came out sound
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "NONE" if self.by_keys else "AUTO"  # one frame alone needs no team
        self._start = float((self._stream.start_time or 0) * self._stream.time_base)
        self._last = self._reached = -1.0  # seconds of the key frame given last, and of the farthest packet read
        self._seeks = True  # until a seek went wrong
        return self

    def __exit__(self, *exc: object) -> None:
        self._container.close()

    def shots(self, wanted: Iterable[float]) -> Iterator[Shot]:
        """What is seen at each of the wanted seconds, which ascend; a frame is given but once.

        By key frames it is the last one up to that moment, or the next one where that was given already;
        else the first frame not before it. What was given is found again by asking for its own seconds.
        """
        return self._key_shots(wanted) if self.by_keys else self._all_shots(wanted)

    def check_whole(self) -> None:
        """After the last shot: raise MineHatError where no frame was good, or the video ends before its length."""
        if not self.decoded:
            raise MineHatError(f"{self._path} holds no frame that can be decoded. The file is damaged.")
        while self._reached < self.length and self._next_key() is not None:
            pass
        if self.length - self._reached > max(2.0, 0.02 * self.length):
            raise MineHatError(f"{self._path} ends early: {self._reached:.1f} s could be read of "
                               f"{self.length:.1f} s. The file is damaged or cut short.")

    def _key_shots(self, wanted: Iterable[float]) -> Iterator[Shot]:
        for due in wanted:
            if due <= self._last + SAME:
                continue
            packet = self._sought(due) or self._next_key(due - SAME)
            if packet is None:
                return
            self._last = self._seconds(packet)
            frame = self._decoded_alone(packet)
            if frame is not None:
                yield self._last, frame

    def _sought(self, due: float) -> Any:
        """The packet of the last key frame up to `due`; None where the next one not before it must be read up to,
        for that one was given already or seeking fails."""
        if not self._seeks or due <= SAME:
            return None
        try:
            packet = self._landed(due)
        except load_av().error.FFmpegError:
            self._seeks = False
            return None
        if packet is None:
            return None
        self._seeks = self._seconds(packet) >= self._last - SAME  # a file without an index goes back to its start
        return packet if self._seconds(packet) > self._last + SAME else None

    def _landed(self, due: float) -> Any:
        """The first key frame's packet after a seek; None, and a place well before `due`, where that lies behind it."""
        self._seek(due)
        packet = self._next_key()
        if packet is not None and self._seconds(packet) <= due + SAME:
            return packet
        self._seek(max(0.0, due - RUN_UP))
        return None

    def _seek(self, seconds: float) -> None:
        self._container.seek(round((self._start + seconds) / self._stream.time_base), stream=self._stream)

    def _next_key(self, since: float = -math.inf) -> Any:
        """The next packet of a key frame not before `since`; None at the end."""
        for packet in self._packets():
            if packet.is_keyframe and self._seconds(packet) >= since:
                return packet
        return None

    def _packets(self) -> Iterator[Any]:
        """From where we are to the end, or to where no more can be read."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    self._reached = max(self._reached, self._seconds(packet))
                yield packet
        except load_av().error.FFmpegError:
            return

    def _seconds(self, packet: Any) -> float:
        """From the start of the video; -1 where there is no time."""
        seconds = seconds_of(packet)
        return -1.0 if seconds is None else seconds - self._start

    def _decoded_alone(self, packet: Any) -> Frame | None:
        """A key frame's picture; None where it is damaged."""
        codec = self._stream.codec_context
        frames = [frame for frame in _decoded(codec, packet) or _decoded(codec, None) if not frame.is_corrupt]
        codec.flush_buffers()
        self.decoded += len(frames)
        return upright(frames[0]) if frames else None

    def _all_shots(self, wanted: Iterable[float]) -> Iterator[Shot]:
        moments = iter(wanted)
        due = next(moments, None)
        for seconds, frame in self._all_frames():
            if due is None:
                return
            if seconds >= due - SAME:
                yield seconds, upright(frame)
                due = next((moment for moment in moments if moment > seconds + SAME), None)

    def _all_frames(self) -> Iterator[tuple[float, Any]]:
        """(seconds, PyAV's frame); the seconds by its number where the file gives no times."""
        rate = float(self._stream.average_rate or 25)
        for packet in self._packets():  # the last one is empty and calls out the frames that are still inside
            for frame in _decoded(self._stream.codec_context, packet):
                seconds = self.decoded / rate if frame.pts is None else frame.time - self._start
                self.decoded += 1
                self._reached = max(self._reached, seconds)
                yield seconds, frame


def _decoded(codec: Any, packet: Any) -> list[Any]:
    """PyAV's frames that come out for a packet, or for None at the end; none where it is damaged."""
    try:
        return list(codec.decode(packet))
    except load_av().error.FFmpegError:
        return []
