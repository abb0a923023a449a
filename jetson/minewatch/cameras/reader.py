"""The process of one connection: opens, reads until something ends it, says why and exits.

Its main thread is in the source, perhaps for good; a second one listens to the watch. When the watch asks
it to leave, or is no more, it has a second in all: to finish clips, to say goodbye to the camera if it
listens, and to go whatever a library is at.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from contextlib import suppress
from typing import NoReturn

from ..detection.wire import Wire
from .clips import Clips
from .desk import Desk
from .gstreamer_pipeline import wanted as gstreamer_wanted
from .messages import Born, Clip, Free, FromReader, Lost, Skipped
from .pyav_source import PyAvSource, Refuse
from .quarantine import Quarantine, is_stale, passed
from .ring import Kept
from .slots import SLOTS
from .source import Frame, Plan, Source, SourceLost, Taken

CLIPS = 0.5  # seconds that clips get to be finished
GOODBYE = 0.3  # and then the camera to hear that we leave
IDLE = 0.4  # seconds, the longest wait without a beat
FOLDER_FPS = 2.0  # pictures a second of a folder that is repeated, where `most_fps` does not say


def main(handle: int) -> NoReturn:
    """Serve the wire of this file descriptor, then end the process without unwinding what libraries hold."""
    wire = Wire(socket.socket(fileno=handle), blocking=True)
    with suppress(OSError, EOFError):
        wire.send(Born(os.getpid()))
        Reader(wire, wire.receive()).run()
    os._exit(0)


class Reader:
    """One connection from beginning to end."""

    def __init__(self, wire: Wire, plan: Plan) -> None:
        self._wire, self._plan = wire, plan
        self._leaving, self._left = threading.Event(), threading.Event()
        self._talking = threading.Lock()
        self._folder = plan.kind == "files" and os.path.isdir(plan.place)
        self._desk = Desk(plan.widest, 1 if self._folder else SLOTS, self._say)
        self._clips = Clips(plan.before, self._say)
        self._quarantine = Quarantine()
        self._came: float | None = None  # when the last frame did
        self._due = 0.0  # when the next frame may be looked at
        self._started: tuple[float, float] | None = None  # a video's first frame: its time stamp and moment

    def run(self) -> None:
        """Read until the source ends or the watch does."""
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            why = self._read()
        except Exception as exc:  # a fault of ours or of a library; the watch must hear of it
            why = Lost("broken", f"its reader failed: {_where(exc)}")
        if why is not None:
            self._clips.finish(CLIPS)
            self._say(why)
        self._left.set()

    def _read(self) -> Lost | None:
        """Why it ended; None where we were asked to leave."""
        try:
            with source_of(self._plan, self._refuse) as source:
                self._desk.opened(source.codec, source.fps)
                self._clips.copy_of(source.template if self._plan.before > 0 else None)
                try:
                    self._follow(source)
                finally:
                    self._clips.copy_of(None)
        except SourceLost as exc:
            return Lost(exc.cause, exc.text)
        return None if self._leaving.is_set() else Lost("ended", "it ended")

    def _follow(self, source: Source) -> None:
        for taken in source.steps():
            self._take(taken)
            if self._leaving.is_set():
                self._clips.finish(CLIPS)
                return

    def _take(self, taken: Taken) -> None:
        if taken.frames and self._plan.kind == "files" and not self._folder:
            self._wait_for_turn(taken.frames[0])
        moment = time.monotonic()
        if taken.coded is not None:
            self._clips.add(Kept(taken.coded, moment))
        if taken.fault:
            self._say(Skipped(taken.fault))
        for frame in taken.frames:
            self._look(frame, moment)
        if self._folder and taken.frames:
            self._wait_for_watch()
        self._desk.beat(time.monotonic(), idle=self._folder)

    def _look(self, frame: Frame, moment: float) -> None:
        """Hand the frame on, where it is whole, fresh and due."""
        stale = self._plan.live and self._came is not None and \
            is_stale(self._quarantine, frame.seconds, moment - self._came)
        self._quarantine, whole = passed(self._quarantine, frame.seconds, frame.key, frame.corrupt)
        self._came = moment
        if stale or not whole or not self._is_due(moment):
            self._desk.keep_back(damaged=stale or not whole)
        else:
            self._desk.lay(frame, moment)

    def _is_due(self, moment: float) -> bool:
        """Whether this frame may be looked at, with no more than `most_fps` of them."""
        if self._plan.most_fps is None or self._folder:
            return True
        if moment < self._due:
            return False
        self._due = next_due(self._due, moment, self._plan.most_fps)
        return True

    def _wait_for_turn(self, frame: Frame) -> None:
        """Until the frame of a video is due by the video's own time."""
        if frame.seconds is None:
            return
        if self._started is None:
            self._started = frame.seconds, time.monotonic()
        self._wait_until(self._started[1] + frame.seconds - self._started[0])

    def _wait_for_watch(self) -> None:
        """Until the picture of a folder was looked at: none of them gives way to a newer one."""
        while not self._desk.is_free(IDLE) and not self._leaving.is_set():
            self._desk.beat(time.monotonic(), idle=True)
        if self._plan.repeat or self._plan.most_fps:
            self._wait_until(time.monotonic() + 1 / (self._plan.most_fps or FOLDER_FPS))

    def _wait_until(self, due: float) -> None:
        """With signs of life, and no longer than the watch wants us."""
        while (left := due - time.monotonic()) > 0 and not self._leaving.wait(min(left, IDLE)):
            self._desk.beat(time.monotonic(), idle=True)

    def _listen(self) -> None:
        """What the watch says, in a thread of its own, until it is done with us or gone."""
        with suppress(OSError):
            try:
                while isinstance(message := self._wire.receive(), Free | Clip):
                    if isinstance(message, Free):
                        self._desk.freed(message)
                    else:
                        self._clips.begin(message)
            except EOFError:  # the watch is dead: nobody else would
                self._desk.remove()
        self._leaving.set()
        self._clips.finish(CLIPS)
        self._left.wait(GOODBYE)
        os._exit(0)

    def _refuse(self, why: SourceLost) -> NoReturn:
        """End the process from within a library."""
        self._say(Lost(why.cause, why.text))
        os._exit(0)

    def _say(self, message: FromReader) -> None:
        with self._talking, suppress(OSError):  # nobody is there to hear; `_listen` sees to that
            self._wire.send(message)


def next_due(due: float, moment: float, fps: float) -> float:
    """When the next frame may be looked at, after one that was at `moment`: so many a second on average."""
    return due + 1 / fps if moment - due < 1 / fps else moment + 1 / fps


def _where(exc: Exception) -> str:
    """What failed and where, without the message: a library's may hold the URL, password and all."""
    last = traceback.extract_tb(exc.__traceback__)[-1]
    return f"{type(exc).__name__} in {os.path.basename(last.filename)}:{last.lineno}"


def source_of(plan: Plan, refuse: Refuse) -> Source:
    """What reads this kind of place."""
    if plan.kind == "files" and os.path.isdir(plan.place):
        from .folder_source import FolderSource
        return FolderSource(plan)
    if plan.kind == "stream" and gstreamer_wanted(plan):
        from .gstreamer_source import GStreamerSource  # a guest: it may not be installed
        return GStreamerSource(plan, refuse)
    return PyAvSource(plan, refuse)
