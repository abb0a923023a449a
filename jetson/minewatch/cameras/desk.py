"""The frames that a reader hands on: slots that it owns, and what is counted of those that it keeps back."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

from . import slots
from .messages import THUMB_HEIGHT, THUMB_WIDTH, Arrived, Beat, Free, FromReader, Opened
from .source import Frame, Image

THUMB = 0.5  # seconds between two small pictures, and between signs of life


class Desk:
    """Lays frames into shared memory and says so. `freed` may be called from another thread.

    widest: pixels, to which larger frames are scaled down. count: slots; 1 makes `lay` wait for the watch.
    """

    def __init__(self, widest: int, count: int, say: Callable[[FromReader], None]) -> None:
        self._widest, self._count, self._say = widest, count, say
        self._memory: slots.Slots | None = None
        self._named: list[str] = []
        self._orphaned = False
        self._ours: set[int] = set()
        self._changed = threading.Condition()
        self._number = 0
        self._quarantined = self._dropped = self._spared = 0
        self._thumbed = self._said = float("-inf")

    def opened(self, codec: str, fps: float | None) -> None:
        """What the source says of itself, for Opened."""
        self._codec, self._fps = codec, fps

    def lay(self, frame: Frame, moment: float) -> None:
        """Hand on a frame that was decoded at `moment`; it is dropped where no slot is free."""
        memory = self._fitting(frame.image)
        with self._changed:
            slot = self._ours.pop() if self._ours else None
        if slot is None:
            self._number += 1
            self._dropped += 1
            return
        pixels = memory.frame(slot)
        frame.image.write_bgr(pixels)
        thumb, print = None, 0
        if moment - self._thumbed >= THUMB:
            self._thumbed = moment
            thumb, print = frame.image.grey(THUMB_HEIGHT, THUMB_WIDTH), zlib.crc32(pixels.data)
        self._tell(Arrived(slot, self._number, moment, frame.seconds, frame.camera_time, thumb, print,
                           self._quarantined, self._dropped, frame.name), moment)
        self._number += 1

    def keep_back(self, damaged: bool) -> None:
        """A frame that is not handed on: damaged, or sooner than it may be looked at."""
        self._number += 1
        self._quarantined += damaged
        self._spared += not damaged

    def beat(self, moment: float, idle: bool) -> None:
        """A sign of life, where there was none for a while."""
        if moment - self._said >= THUMB:
            self._tell(Beat(idle, self._quarantined, self._dropped, self._spared), moment)

    def freed(self, free: Free) -> None:
        """The watch gives a slot back."""
        with self._changed:
            if self._memory is not None and free.memory == self._memory.name:
                self._ours.add(free.slot)
                self._changed.notify_all()

    def is_free(self, seconds: float) -> bool:
        """Wait until some slot is free. False where none was within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._memory is None or bool(self._ours), seconds)

    def remove(self) -> None:
        """Take the memories' names away, where nobody else will; those of later ones too."""
        with self._changed:
            self._orphaned = True
            for name in self._named:
                slots.remove(name)

    def _fitting(self, image: Image) -> slots.Slots:
        """The memory for frames of this size; a new one where the size is new."""
        height, width = fitted(image.height, image.width, self._widest)
        memory = self._memory
        if memory is None or (memory.height, memory.width) != (height, width):
            memory = slots.made(self._count, height, width)
            with self._changed:
                self._memory, self._ours = memory, set(range(self._count))
                self._named.append(memory.name)
                if self._orphaned:
                    memory.remove()
            self._say(Opened(memory.name, self._count, height, width, self._codec, self._fps))
        return memory

    def _tell(self, message: Arrived | Beat, moment: float) -> None:
        self._say(message)
        self._said = moment
        self._quarantined = self._dropped = self._spared = 0


def fitted(height: int, width: int, widest: int) -> tuple[int, int]:
    """Height and width, scaled down to `widest` where it is more."""
    if width <= widest:
        return height, width
    return max(1, round(height * widest / width)), widest
