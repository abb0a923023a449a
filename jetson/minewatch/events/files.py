"""Where snapshots and clips lie, and how they get there: whole, or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from minehat.files import make_folder, write_whole

from ..painting import live_jpeg
from ..status import TrackStatus
from .disk import flush
from .opening import FILE_MODE, FOLDER_MODE
from .records import MEDIA, SUFFIXES, MediaKind

NAMED = re.compile(r"\.?([0-9]+)\.")  # a number begins every name, that of a scratch file after a dot
WIDEST = 1920


@dataclass(frozen=True)
class Snapshot:
    """What is to be seen on an event's picture."""

    frame: npt.NDArray[np.uint8]  # [h, w, 3] BGR; nobody changes it afterwards
    tracks: tuple[TrackStatus, ...] = ()  # drawn on it


def ready_day(path: Path) -> None:
    """Make the folder of a medium. Raises MineHatError where that cannot be."""
    if not path.parent.is_dir():
        make_folder(path.parent)
        for folder in (path.parent.parent, path.parent):
            os.chmod(folder, FOLDER_MODE)


def write_snapshot(path: Path, snapshot: Snapshot) -> int:
    """Draw it and write it whole as JPEG; returns its bytes. Raises MineHatError where there is no room."""
    jpeg = live_jpeg(snapshot.frame, snapshot.tracks, WIDEST)
    ready_day(path)
    write_whole(path, jpeg)
    os.chmod(path, FILE_MODE)
    return len(jpeg)


def finish_clip(path: Path) -> int:
    """Make sure of the clip of that name; returns its bytes, 0 where there is nothing to be seen.

    Its writer gives it the name when it is whole. What a killed one left beside it is readable up to the last
    fragment. Raises OSError.
    """
    for scratch in path.parent.glob(f".{path.stem}.*"):
        if not path.exists() and _has_pictures(scratch):
            flush(scratch)
            os.replace(scratch, path)
        else:
            scratch.unlink()
    if not path.exists():
        return 0
    os.chmod(path, FILE_MODE)
    flush(path.parent)
    return path.stat().st_size


def days(folder: Path) -> list[Path]:
    """The folders of media, oldest first."""
    return sorted(one for one in (folder / MEDIA).glob("*") if one.is_dir())


def numbered(day: Path) -> Iterator[tuple[int, Path]]:
    """The files of a day that are named for an event, and its number."""
    for path in sorted(day.iterdir()):
        found = NAMED.match(path.name)
        if found:
            yield int(found[1]), path


def kind_of(path: Path) -> MediaKind | None:
    """What a whole file is; None for one that is half written."""
    return next((kind for kind, suffix in SUFFIXES.items() if re.fullmatch(rf"[0-9]+\{suffix}", path.name)), None)


def relative(folder: Path, path: Path) -> str:
    """As the store has it."""
    return path.relative_to(folder).as_posix()


def _has_pictures(scratch: Path) -> bool:
    with open(scratch, "rb") as file:
        return b"moof" in file.read(1 << 20)
