"""A frame of a camera in the watch's hands, and the memory that it lies in."""

from __future__ import annotations

from collections.abc import Callable

from ..detection.messages import Place
from . import slots
from .messages import Arrived, Opened
from .source import Pixels


class Memory:
    """A reader's memory, seen from the watch. Its name is taken away with the last of those who need it."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.slots = slots.attached(opened.memory, opened.slots, opened.height, opened.width)
        self._needed = 1  # by the connection

    def hold(self) -> None:
        """One more needs it."""
        self._needed += 1

    def release(self) -> None:
        """One less does."""
        self._needed -= 1
        if not self._needed:
            self.slots.remove()


class Picture:
    """One frame. Whoever takes it frees it, once; its pixels may change from then on."""

    def __init__(self, camera: str, memory: Memory, arrived: Arrived, give_back: Callable[[Picture], None]) -> None:
        self.camera, self.memory, self.arrived = camera, memory, arrived
        self._give_back: Callable[[Picture], None] | None = give_back
        memory.hold()

    @property
    def pixels(self) -> Pixels:
        """uint8 [h, w, 3] BGR in place, not a copy."""
        return self.memory.slots.frame(self.arrived.slot)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.memory.opened.width, self.memory.opened.height

    @property
    def place(self) -> Place:
        """Where the detector finds it."""
        opened = self.memory.opened
        return Place(opened.memory, self.memory.slots.offset(self.arrived.slot), opened.height, opened.width)

    def free(self) -> None:
        """Give the slot back to its reader. A second call does nothing."""
        if self._give_back is not None:
            self._give_back(self)
            self._give_back = None
            self.memory.release()
