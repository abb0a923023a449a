"""What the detector's process and the watch say to each other."""

from __future__ import annotations

from dataclasses import dataclass

from minehat.detections import Detections


@dataclass(frozen=True)
class Model:
    """Which network, run how."""

    file: str
    card: str | None = None
    backend: str = "auto"
    conf: float | None = None
    iou: float | None = None


@dataclass(frozen=True)
class Load:
    """To the detector, the first word: open this model."""

    model: Model
    threads: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a frame lies: in shared memory, uint8 [height, width, 3] BGR from `offset` on."""

    memory: str
    offset: int
    height: int
    width: int


@dataclass(frozen=True)
class Look:
    """To the detector: look at these frames together."""

    number: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Ready:
    """The model is loaded and has answered once."""

    name: str  # of the card
    backend: str  # as the backend names itself
    classes: tuple[str, ...]
    seconds: float  # that it took
    sha256: str  # of the model's file


@dataclass(frozen=True)
class Found:
    """What was found, one Detections for each place of `Look`, boxes in pixels of the frame.

    None where a frame could not be read: nobody has looked at that one.
    """

    number: int
    found: tuple[Detections | None, ...]
    ms: float


@dataclass(frozen=True)
class Said:
    """A line that a library said on stderr."""

    text: str


@dataclass(frozen=True)
class Gone:
    """The last word of a detector's process: why it ends."""

    cause: str  # load, cuda, error
    text: str  # one line
    final: bool = False  # trying again cannot help: the file is wrong


FromDetector = Ready | Found | Said | Gone
