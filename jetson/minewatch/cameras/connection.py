"""One connection to a camera: the reader process and its wire, seen from the watch. Nothing here blocks."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from ..detection.wire import Wire
from .messages import Born, Clip, ClipDone, Free, FromReader, Leave, Opened
from .nursery import Nursery
from .picture import Memory, Picture
from .source import Plan

GRACE = 1.5  # seconds between Leave and SIGKILL


class Connection:
    """From the start of a reader until its process is gone and all that it said is heard."""

    def __init__(self, plan: Plan, nursery: Nursery) -> None:
        self.memory: Memory | None = None
        self._wire = nursery.born()
        self._process: int | None = None  # a pidfd: no other process can be meant by it
        self._was_born = False
        self._clips: list[str] = []
        self._deadline: float | None = None
        self._send(plan)

    @property
    def wire(self) -> Wire | None:
        """To wait for; None when nothing more will come."""
        return None if self._wire.closed else self._wire

    @property
    def gone(self) -> bool:
        """Whether the reader is no more."""
        return self._wire.closed

    @property
    def epitaph(self) -> str:
        """How it ended, where it could not say so itself."""
        return "its reader process was killed" if self._was_born else "no reader process could be started"

    def heard(self) -> list[FromReader]:
        """What the reader said since, its memory attached. Clips that died with it are told as failed."""
        messages: list[FromReader] = []
        for message in [] if self._wire.closed else self._wire.received():
            if isinstance(message, Born):
                self._was_born = True
                with suppress(OSError):  # it has gone by now
                    self._process = os.pidfd_open(message.pid)
                messages.append(message)
            elif isinstance(message, Opened):
                self._attach(message)
                messages.append(message)
            else:
                if isinstance(message, ClipDone):
                    self._clips.remove(message.path)
                messages.append(message)
        if self._wire.closed:
            messages += [ClipDone(path, 0, "the camera's reader ended before the clip did") for path in self._clips]
            self._clips = []
        return messages

    def clip(self, clip: Clip) -> None:
        """Ask for a clip; ClipDone will come, whatever happens."""
        self._clips.append(clip.path)
        self._send(clip)

    def give_back(self, picture: Picture) -> None:
        """The picture's slot is the reader's again."""
        self._send(Free(picture.arrived.slot, picture.memory.opened.memory))

    def leave(self, now: float) -> None:
        """Ask it to finish clips and go; `turn` sees to it."""
        self._send(Leave())
        self._deadline = now + GRACE

    def turn(self, now: float) -> None:
        """Kill a reader that was asked to leave and did not."""
        if self._deadline is not None and now >= self._deadline:
            self.kill()

    def kill(self) -> None:
        """At once, whatever library it hangs in."""
        if self._process is not None and not self._wire.closed:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)

    def close(self) -> None:
        """Let go of what is left."""
        self._wire.close()
        self._wire.closed = True
        if self._process is not None:
            os.close(self._process)
            self._process = None
        if self.memory is not None:
            self.memory.release()
            self.memory = None

    def _attach(self, opened: Opened) -> None:
        if self.memory is not None:
            self.memory.release()
            self.memory = None
        with suppress(OSError):  # the reader has gone meanwhile, and took it along
            self.memory = Memory(opened)

    def _send(self, message: Plan | Clip | Free | Leave) -> None:
        if not self._wire.closed:
            try:
                self._wire.send(message)
            except OSError:  # dead, which `heard` will find; or it has not listened for long
                self.kill()
