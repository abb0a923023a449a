"""What lists and label files say, before any of it is believed: the common ground of all forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .faults import OnFault


@dataclass(frozen=True)
class Thing:
    """One object as it is written."""

    name: str  # of its class
    box: tuple[float, float, float, float]  # x0 y0 x1 y1, edges counted from 0; may be anything, nan too
    ignored: bool
    where: str  # how a person finds it in the file


@dataclass(frozen=True)
class Marked:
    """One picture as its labels tell of it."""

    picture: Path
    labels: Path  # the file to look into
    things: tuple[Thing, ...]
    size: tuple[int, int] | None = None  # width and height of the picture, where the labels tell them
    in_shares: bool = False  # whether boxes are in shares of the picture's sides rather than in pixels
    within: str = ""  # how a person finds the picture in that file, where it holds several; put before what is told


@dataclass(frozen=True)
class Entry:
    """One picture as a list names it; its labels are not opened yet."""

    name: str  # tells it from the others of the list; its last part is the picture's name, or the stem of it
    listing: Path
    where: str  # how a person finds it in the list
    read: Callable[[OnFault], Marked | None]  # None, and a fault told, where the labels are of no use
