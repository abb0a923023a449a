"""Footage to pick from: pictures, folders of pictures and videos, and videos looked at once in so many seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from minehat.errors import MineHatError
from minehat.pictures import SUFFIXES, read_picture
from minehat.progress import bar

from .container import Frame, length_of, load_av
from .film import Film

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".ts", ".mts", ".mpg", ".mpeg", ".wmv",
                            ".asf", ".flv", ".h264", ".h265", ".dav", ".264", ".265"})
FEWEST_LOOKS, LOOKS_EACH = 1000, 10  # at all videos together: this many at least, and so many for each picture wanted
Failed = dict[str, str]  # what could not be used -> the reason


@dataclass(frozen=True)
class Footage:
    """One picture or one video."""

    path: Path
    is_video: bool
    length: float = 0.0  # seconds of a video; 0 where it does not say

    @property
    def source(self) -> str:
        """What a choice is spread over: a video is a source, and so is a folder with all the pictures in it."""
        return str(self.path if self.is_video else self.path.parent)


def find_footage(places: Sequence[str | Path], failed: Failed, but: Path | None = None) -> list[Footage]:
    """The pictures and videos of the places, each once; folders are searched through but for hidden names and `but`."""
    found = {path.resolve(): path for place in places for path in _found_at(Path(place), failed, but)}
    return [footage for path in bar(found.values(), label="opening") if (footage := _opened(path, failed)) is not None]


def spacing(found: Sequence[Footage], wanted: int) -> float:
    """Seconds between looks at videos, so that there are enough to pick `wanted` from; a second at least."""
    total = sum(one.length for one in found)
    return max(1.0, math.ceil(10 * total / max(FEWEST_LOOKS, LOOKS_EACH * wanted)) / 10)


def count_looks(found: Sequence[Footage], every: float) -> int:
    """About how many frames `looks` will give."""
    return sum(_steps(one, every) for one in found)


def looks(found: Sequence[Footage], every: float, failed: Failed) -> Iterator[tuple[Footage, float | None, Frame]]:
    """Each picture, and of each video a frame every `every` seconds; with the seconds of a video's frame.

    What cannot be read goes into `failed`; of a video that ends early the frames before the end are given.
    """
    for one in found:
        try:
            if one.is_video:
                yield from ((one, seconds, frame) for seconds, frame in _walked(one, every))
            else:
                yield one, None, read_picture(one.path)
        except MineHatError as exc:
            failed[str(one.path)] = str(exc)


def frames_at(one: Footage, times: Sequence[float | None], every: float, failed: Failed) -> Iterator[Frame]:
    """The frames that `looks` gave, once more. times: ascending; of a picture [None]. Ends early where one is gone."""
    try:
        if one.is_video:
            yield from _sought_again(one, [seconds or 0.0 for seconds in times], every)
        else:
            yield read_picture(one.path)
    except MineHatError as exc:
        failed[str(one.path)] = str(exc)


def _found_at(place: Path, failed: Failed, but: Path | None) -> list[Path]:
    if not place.exists():
        failed[str(place)] = f"{place}: no such picture, folder or video."
        return []
    if not place.is_dir():
        return [place]
    inside = [path for path in sorted(place.rglob("*"))
              if path.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES and path.is_file()
              and not any(part.startswith(".") for part in path.relative_to(place).parts)
              and (but is None or but.resolve() not in path.resolve().parents)]
    if not inside:
        failed[str(place)] = f"{place}: the folder holds no picture and no video."
    return inside


def _opened(path: Path, failed: Failed) -> Footage | None:
    if path.suffix.lower() in SUFFIXES:
        return Footage(path, False)
    load_av()  # absent, it ends the work here and not once a video
    try:
        return Footage(path, True, length_of(path))
    except MineHatError as exc:
        failed[str(path)] = str(exc)
        return None


def _walked(one: Footage, every: float) -> Iterator[tuple[float, Frame]]:
    with Film(one.path, every) as film:
        yield from film.shots(number * every for number in (range(_steps(one, every)) if one.length else count()))
        film.check_whole()


def _steps(one: Footage, every: float) -> int:
    return max(1, math.ceil(one.length / every - 1e-6))


def _sought_again(one: Footage, times: Sequence[float], every: float) -> Iterator[Frame]:
    with Film(one.path, every) as film:
        shots = film.shots(times)
        for wanted in times:
            shot = next(shots, None)
            if shot is None or abs(shot[0] - wanted) > 0.001:
                raise MineHatError(f"{one.path}: its frame at {wanted} s cannot be read a second time.")
            yield shot[1]
