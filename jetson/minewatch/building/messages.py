"""What the builder's process and the watch say to each other."""

from __future__ import annotations

from dataclasses import dataclass

from ..detection.messages import Said
from .record import Record


@dataclass(frozen=True)
class Order:
    """To the builder, the first word and the only one: this engine is wanted."""

    onnx: str
    folder: str  # where it is kept, with its card
    target: str  # auto, tensorrt, rtx
    best: int  # pictures at once that it is to be fastest for
    most: int  # and that it must take
    known: Record | None  # what came of it before


@dataclass(frozen=True)
class Begun:
    """A build begins: there was no engine of just these things."""

    key: str


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    share: float  # 0 to 1
    left: float | None  # seconds


@dataclass(frozen=True)
class Built:
    """An engine is there, whole, with its card."""

    key: str
    engine: str  # its path
    seconds: float  # that building it took; 0 where it was kept from before


@dataclass(frozen=True)
class Unbuilt:
    """There is none, and will be none in this run."""

    key: str  # "" where it is not even known what it would be made of
    text: str  # one line: why


FromBuilder = Begun | Progress | Built | Unbuilt | Said
