"""What the watch gives to its detector, and what it hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from minehat.detections import Detections

from .messages import Place


class Picture(Protocol):
    """A frame that lies in shared memory; who holds it lets go of it by `free`."""

    @property
    def place(self) -> Place:
        """Where."""
        ...

    def free(self) -> None:
        """Give it back to the camera."""
        ...


Held = TypeVar("Held", bound=Picture)


@dataclass(frozen=True)
class Answer(Generic[Held]):
    """Pictures that were looked at, now the caller's again, and what was found in each."""

    pictures: tuple[Held, ...]
    found: tuple[Detections, ...]
    ms: float  # that the detector took for the batch


@dataclass(frozen=True)
class Change:
    """Something that people want to know of."""

    kind: Literal["standing", "swapped", "refused", "said"]  # of the detector; of a new model; a library's words
    standing: Literal["starting", "ready", "replacing", "degraded"]
    cause: str = ""  # load, cuda, error, hang, killed; "" where all is well
    text: str = ""
    final: bool = False  # the model cannot be run here, and none has: starting the daemon anew cannot help
    file: str = ""  # of the model that took over, or was refused
