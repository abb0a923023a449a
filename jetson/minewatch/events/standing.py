"""How the storage stands, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from ..clock import Clock
from .causes import TOLD, Cause
from .event import Event, Kept


class Standing:
    """Well, or not for a cause. announce: takes the events; suspect: whether the wall clock is not trusted now."""

    def __init__(self, clock: Clock, announce: Callable[[Event], None], suspect: Callable[[], bool]) -> None:
        self._clock, self._announce, self._suspect = clock, announce, suspect
        self._incidents: list[str] = []  # that are open: ours, and those of a run that ended badly
        self.cause: Cause | None = None
        self.text = ""
        self.since = 0.0  # monotonic

    @property
    def word(self) -> Literal["well", "full", "failing"]:
        """As StorageStatus has it."""
        return "well" if self.cause is None else "full" if self.cause == "full" else "failing"

    def fails(self, cause: Cause, text: str = "") -> None:
        """Something cannot be kept. The first cause opens an incident; another one only changes the text."""
        self.text = text or TOLD[cause]
        if self.cause is None:
            self.since = self._clock.monotonic()
            event = Event("storage_fault", self._clock.wall(), cause=cause, remark=self.text, loud=True,
                          clock_suspect=self._suspect())
            self._incidents.append(event.id)
            self._announce(event)
        self.cause = cause

    def is_well(self) -> None:
        """All is kept again."""
        self.cause, self.text = None, ""
        for incident in self._incidents:
            self._announce(Event("storage_well", self._clock.wall(), incident=incident,
                                 clock_suspect=self._suspect()))
        self._incidents.clear()

    def resume(self, incidents: Iterable[Kept]) -> None:
        """Of those that an earlier run left open, ours are ended as soon as all is well."""
        self._incidents += [kept.event.incident for kept in incidents
                            if kept.event.kind == "storage_fault" and kept.event.incident not in self._incidents]
