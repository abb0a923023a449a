"""Sources cut into parts that are worked off apart: some pictures each, or a stretch of one video's time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import MineHatError
from ..inputs import Input
from ..videos import open_capture, promised

PICTURES = 200  # in a part
SECONDS = 120.0  # of a video in a part, about


@dataclass(frozen=True)
class Part:
    """Some pictures, or the frames of a video from `start` up to `end`, seconds; where they are None from its first
    frame, up to its last."""

    inputs: tuple[Input, ...]  # the paths are absolute; of a video, that one
    stamps: tuple[tuple[int, int] | None, ...]  # size and time of change (ns) of each file; None: it was not there
    start: float | None = None
    end: float | None = None
    seeks: bool = True  # False: read on from the first frame, which takes longer and never errs

    @property
    def name(self) -> str:
        """As people are told."""
        one = self.inputs[0]
        if one.is_picture:
            return one.name if len(self.inputs) == 1 else f"{one.name} and {len(self.inputs) - 1} pictures after it"
        return one.name if self.start is None else f"{one.name} from {self.start:.0f} s on"

    def again(self) -> Part:
        """The same with all that follows in its video, read on from the first frame."""
        return replace(self, end=None, seeks=False)


@dataclass(frozen=True)
class Piece:
    """What is cut into parts together: a video, or pictures, which are one part."""

    parts: tuple[Part, ...]
    expected: int = 0  # frames that the video promises; 0: it does not say
    fps: float = 25.0


def pieces_of(inputs: Iterable[Input], pictures: int = PICTURES, seconds: float = SECONDS) -> Iterator[Piece]:
    """The inputs as pieces, in their order. pictures, seconds (of a video): about how many make a part."""
    for kind, those in itertools.groupby(inputs, lambda one: (one.given, one.is_picture)):
        some = list(those)
        if kind[1]:
            for first in range(0, len(some), pictures):
                yield Piece((_part(some[first:first + pictures]),))
        else:
            for one in some:
                yield _video(one, seconds)


def stamp_of(path: str) -> tuple[int, int] | None:
    """Size and time of change (ns) of a file; None where it is not there."""
    try:
        told = os.stat(path)
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns


def _video(one: Input, seconds: float) -> Piece:
    part = _part([one])
    try:
        capture = open_capture(one)
    except MineHatError:  # told when it is read
        return Piece((part,))
    try:
        expected, fps = promised(capture)
    finally:
        capture.release()
    whole = expected / fps
    count = max(1, round(whole / seconds))
    edges = [None, *(whole * number / count for number in range(1, count)), None]
    return Piece(tuple(replace(part, start=start, end=end) for start, end in itertools.pairwise(edges)), expected, fps)


def _part(some: list[Input]) -> Part:
    inputs = tuple(replace(one, place=str(Path(one.place).absolute())) for one in some)
    return Part(inputs, tuple(stamp_of(one.place) for one in inputs))
