"""One camera over all its connections, as the watch's loop sees it. Nothing here blocks."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from ..clock import Clock
from ..config.schema import CameraPart
from ..detection.wire import Wire
from ..rate import Rate
from ..status import CameraStatus
from . import standing as stand
from .connection import Connection
from .messages import Arrived, Beat, Born, Clip, ClipDone, FromReader, Lost, Opened, Skipped
from .nursery import Nursery
from .picture import Picture
from .plan import plan_of
from .standing import Change, Opener

Happened = Change | ClipDone | Skipped | Arrived  # of frames those that bear a thumb, for picture health


class Camera:
    """Opened and opened again, by one reader process a time, until `stop`.

    base: the folder of relative paths. opener and nursery: shared by all cameras. before: seconds of the
    stream that are kept for clips, 0 for none. redact: takes secrets out of a text. chance: 0 to 1, for jitter.
    Raises MineHatError where the part cannot be used: a wrong URL, a password that is not there.
    """

    def __init__(self, part: CameraPart, base: Path, clock: Clock, opener: Opener, nursery: Nursery,
                 before: float = 5.0, redact: Callable[[str], str] = str,
                 chance: Callable[[], float] = random.random) -> None:
        self.part, self.opened = part, 0
        self.quarantined = self.dropped = 0
        self.newest: Picture | None = None  # not looked at yet
        self._plan = plan_of(part, base, before)
        self._clock, self._opener, self._nursery = clock, opener, nursery
        self._redact, self._chance = redact, chance
        self._standing = stand.fresh(clock.monotonic(), part.stall_seconds, self._plan.live)
        self._connection: Connection | None = None
        self._leaving: list[Connection] = []
        self._stopped = not part.enabled
        self._fps = Rate()
        self._happened: list[Happened] = []

    def waitables(self) -> list[Wire]:
        """What wakes the loop for `turn`."""
        return [each.wire for each in self._connections() if each.wire is not None]

    def turn(self, now: float) -> list[Happened]:
        """Hear the readers, watch the clock, open and end connections. What happened since the last turn."""
        if self._connection is not None:
            self._listen(self._connection, now)
        self._see_off(now)
        self._standing = stand.turned(self._standing, now)
        if self._connection is not None and (why := stand.overdue(self._standing, now)):
            self._lose(now, Lost(*why))
        if self._may_open(now):
            self._open(now)
        if not self._stopped:
            self._standing, change = stand.notice(self._standing, now)
            self._happened += [change] if change else []
        happened, self._happened = self._happened, []
        return happened

    def take(self) -> Picture | None:
        """The newest picture, the caller's to free from now on; None where none came since the last one."""
        taken, self.newest = self.newest, None
        return taken

    def clip(self, path: str, began: float, ended: float) -> None:
        """Copy the stream from `began` to `ended` (monotonic) into `path`, *.mp4; a ClipDone will come."""
        if self._connection is None:
            self._happened.append(ClipDone(path, 0, "the camera is not connected"))
        else:
            self._connection.clip(Clip(path, began, ended))

    def status(self) -> CameraStatus:
        """How it stands; what others know of it is left at its default."""
        now, standing = self._clock.monotonic(), self._standing
        memory = self._connection.memory if self._connection else None
        width, height = (memory.opened.width, memory.opened.height) if memory else (0, 0)
        return CameraStatus(
            self.part.name, "off" if self._stopped else standing.standing, standing.cause or "", standing.text,
            self._clock.wall() - (now - standing.since), None if standing.due is None else max(0.0, standing.due - now),
            width, height, self._fps.per_second(now),
            last_frame=None if standing.frame is None else now - standing.frame,
            opened=self.opened, quarantined=self.quarantined, dropped=self.dropped)

    def abandon(self, now: float, text: str) -> None:
        """Nothing more is heard of its readers, whatever they say; it is opened again after the usual wait."""
        self._drop_newest()
        for each in self._connections():
            each.kill()
            each.close()
        self._connection, self._leaving = None, []
        self._standing = stand.lost(self._standing, now, "broken", text, self._chance())

    def stop(self) -> None:
        """Ask the reader to finish its clips and go; `turn` until `gone`."""
        self._stopped = True
        self._let_go(self._clock.monotonic())

    def kill(self) -> None:
        """End all readers at once."""
        for each in self._connections():
            each.kill()

    @property
    def gone(self) -> bool:
        """Whether no reader is left."""
        return not self._connections()

    def close(self) -> None:
        """Let go of everything; readers that are left end by their wires."""
        self._stopped = True
        self._drop_newest()
        self.kill()
        for each in self._connections():
            each.close()
        self._connection, self._leaving = None, []

    def _connections(self) -> list[Connection]:
        return [*([self._connection] if self._connection else []), *self._leaving]

    def _may_open(self, now: float) -> bool:
        due = self._standing.due
        return not self._stopped and self._connection is None and due is not None and now >= due and \
            self._opener.may(now)

    def _open(self, now: float) -> None:
        self._connection = Connection(self._plan, self._nursery)
        self._standing = stand.begun(self._standing, now)
        self.opened += 1

    def _listen(self, connection: Connection, now: float) -> None:
        for message in connection.heard():
            self._hear(connection, message, now)
        if connection is self._connection and connection.gone:
            self._lose(now, Lost("killed", connection.epitaph))

    def _hear(self, connection: Connection, message: FromReader, now: float) -> None:
        if isinstance(message, Arrived):
            self._count(message.quarantined, message.dropped)
            self._arrive(connection, message, now)
        elif isinstance(message, Beat):
            self._count(message.quarantined, message.dropped)
            self._standing = stand.beaten(self._standing, now,
                                          message.idle or message.dropped > 0 or message.spared > 0)
        elif isinstance(message, Lost):
            if connection is self._connection:
                self._lose(now, message)
        elif isinstance(message, Skipped):
            self._happened.append(Skipped(self._redact(message.text)))
        elif isinstance(message, ClipDone):
            self._happened.append(ClipDone(message.path, message.bytes, self._redact(message.fault)))
        elif isinstance(message, Opened):
            self._drop_newest()  # of the size before
        elif isinstance(message, Born):
            self._standing = stand.born(self._standing, now)

    def _arrive(self, connection: Connection, arrived: Arrived, now: float) -> None:
        if connection.memory is None or connection is not self._connection:
            return
        self._drop_newest()
        if arrived.thumb is not None:
            self._happened.append(arrived)
        self.newest = Picture(self.part.name, connection.memory, arrived, connection.give_back)
        self._fps.count(now)
        self._standing = stand.arrived(self._standing, now)

    def _count(self, quarantined: int, dropped: int) -> None:
        self.quarantined += quarantined
        self.dropped += dropped

    def _drop_newest(self) -> None:
        if self.newest is not None:
            self.newest.free()
            self.newest = None
            self.dropped += 1

    def _lose(self, now: float, why: Lost) -> None:
        self._let_go(now)
        self._standing = stand.lost(self._standing, now, why.cause, self._redact(why.text), self._chance())

    def _let_go(self, now: float) -> None:
        self._drop_newest()
        if self._connection is not None:
            self._connection.leave(now)
            self._leaving.append(self._connection)
            self._connection = None

    def _see_off(self, now: float) -> None:
        """Readers that were asked to go: their last clips are heard, and the stuck ones killed."""
        for each in self._leaving:
            for message in each.heard():
                if isinstance(message, ClipDone | Skipped):
                    self._hear(each, message, now)
            each.turn(now)
            if each.gone:
                each.close()
        self._leaving = [each for each in self._leaving if not each.gone]
