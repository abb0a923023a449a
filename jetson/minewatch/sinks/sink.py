"""A sink: a place where events go, and what it says when they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..events.event import Kept
from ..status import Status
from .bell import Bell


class Undelivered(Exception):
    """Nobody confirmed. One line for people, without secrets.

    slowly: trying again soon cannot help, since somebody has to mend it: a password, an address.
    """

    def __init__(self, text: str, slowly: bool = False) -> None:
        super().__init__(text)
        self.slowly = slowly


class Refused(Undelivered):
    """The receiver answers, and does not want this one event."""

    def __init__(self, text: str) -> None:
        super().__init__(text, slowly=True)


class Sink(Protocol):
    """All is called from the one thread that it belongs to, and gives up early when the bell has stopped."""

    def ready(self, bell: Bell) -> None:
        """Open what must be open. Raises Undelivered where that fails."""
        ...

    def deliver(self, events: Sequence[Kept], bell: Bell) -> int:
        """How many of these were confirmed, counted from the first: one or more. Raises Undelivered for none."""
        ...

    def rest(self, seconds: float, bell: Bell) -> None:
        """Wait so long at most, or for the bell, and keep the line alive. Raises Undelivered where it broke."""
        ...

    def show(self, status: Status) -> bool:
        """How the watch stands; called from another thread, so only kept for later. Whether that is news here."""
        ...

    def close(self) -> None:
        """Silence and hang up."""
        ...


class Outbox(Protocol):
    """The table of events, as one sink reads it: events.reading.Reader. Its methods may raise sqlite3.Error."""

    def newest(self) -> Kept | None:
        """The event with the highest number."""
        ...

    def after(self, seq: int, limit: int) -> list[Kept]:
        """The events that follow number `seq`, in order."""
        ...

    def knows(self, sink: str) -> bool:
        """Whether the sink was ever seen."""
        ...

    def cursor(self, sink: str) -> int:
        """Number of the last event that it has confirmed."""
        ...

    def confirm(self, sink: str, seq: int) -> None:
        """It has all events up to number `seq`."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
