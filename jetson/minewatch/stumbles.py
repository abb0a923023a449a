"""Our own errors with one camera: they blind it, and are told as a fault of it, but never end the watch."""

from __future__ import annotations

from .events.event import new_id
from .judging.verdict import Verdict

CAUSE = "error"
STEADY = 10.0  # seconds of pictures judged without an error, after which it is over


class Stumbles:
    """Of one camera. It is told the time; time alone mends nothing."""

    def __init__(self) -> None:
        self._incident = ""
        self._began = self._last = 0.0

    @property
    def faults(self) -> tuple[str, ...]:
        """As CameraStatus has them."""
        return (CAUSE,) if self._incident else ()

    def fell(self, now: float, exc: Exception) -> list[Verdict]:
        """An error. A verdict where it is the first of a row."""
        self._last = now
        if self._incident:
            return []
        self._incident, self._began = new_id(), now
        return [Verdict("camera_fault", now, now, self._incident, loud=True, cause=CAUSE,
                        remark=f"its pictures cannot be judged: an error of ours, {type(exc).__name__}, see the log")]

    def walked(self, now: float) -> list[Verdict]:
        """A picture was judged. A verdict where the row of errors is over."""
        return self.ended(now, "pictures are judged again") if now - self._last >= STEADY else []

    def ended(self, now: float, remark: str) -> list[Verdict]:
        """Nobody asks any more. A verdict where a fault was open."""
        if not self._incident:
            return []
        incident, self._incident = self._incident, ""
        return [Verdict("camera_well", now, self._began, incident, cause=CAUSE, remark=remark)]
