"""A folder of pictures: what lies in it, then each new one as soon as it is whole."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any

import av
import numpy as np
from minehat.errors import MineHatError
from minehat.pictures import SUFFIXES, picture_size, read_picture

from .pyav_source import AvImage
from .source import MOST_PIXELS, Frame, Plan, SourceLost, Taken

LOOK = 0.5  # seconds between two looks into the folder
GIVEN_UP = 10.0  # seconds without a change, after which a file that cannot be read is broken
Stamp = tuple[int, int]  # time of the last change, in ns, and bytes


class FolderSource:
    """See Source. Pictures come by age, oldest first; with `repeat` again and again, else each version once.

    A picture that is still being written is left until it can be read. Subfolders and hidden files are not read.
    """

    codec = "pictures"
    template: Any | None = None

    def __init__(self, plan: Plan) -> None:
        self.fps: float | None = plan.most_fps
        self._plan, self._folder = plan, Path(plan.place)
        self._done: dict[str, Stamp] = {}
        self._wait = threading.Event().wait

    def __enter__(self) -> FolderSource:
        self._listed()
        return self

    def __exit__(self, *exc: object) -> None:
        self._done = {}

    def steps(self) -> Iterator[Taken]:
        """One picture each; an empty step where none is there."""
        while True:
            listed = self._listed()
            self._done = {name: self._done[name] for name in listed if name in self._done}
            news = [name for name in listed if self._done.get(name) != listed[name]]
            for name in sorted(news, key=lambda name: (listed[name][0], name)):
                yield self._taken(name, listed[name])
            if self._plan.repeat and news:
                self._done = {}
            else:
                yield Taken()
                self._wait(LOOK)

    def _taken(self, name: str, stamp: Stamp) -> Taken:
        """The picture, a fault, or nothing where it has to wait."""
        try:
            frame = self._read(self._folder / name)
        except MineHatError as exc:
            age = time.time() - stamp[0] / 1e9
            if 0 <= age < GIVEN_UP:  # a clock that was set back makes it old
                return Taken()
            self._done[name] = stamp
            return Taken(fault=" ".join(str(exc).split()))
        self._done[name] = stamp
        return Taken((frame,))

    def _read(self, path: Path) -> Frame:
        width, height = picture_size(path)
        if width * height > MOST_PIXELS:
            raise MineHatError(f"{path} has {width}x{height} pixels; at most {MOST_PIXELS / 1e6:.0f} megapixels are "
                               "read. Make it smaller.")
        pixels = read_picture(path)
        return Frame(AvImage(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")), name=path.name)

    def _listed(self) -> dict[str, Stamp]:
        """The pictures that lie there, and what tells their versions apart."""
        listed: dict[str, Stamp] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and Path(entry.name).suffix.lower() in SUFFIXES:
                        self._note(listed, entry)
        except FileNotFoundError:
            raise SourceLost("missing", f"{self._folder}: there is no such folder") from None
        except OSError as exc:
            raise SourceLost("forbidden", f"{self._folder} cannot be read: {exc.strerror}") from None
        return listed

    @staticmethod
    def _note(listed: dict[str, Stamp], entry: os.DirEntry[str]) -> None:
        try:
            stat = entry.stat()
        except OSError:  # it has just gone
            return
        if not S_ISREG(stat.st_mode):  # reading a pipe or a device would never end
            return
        listed[entry.name] = (stat.st_mtime_ns, stat.st_size)
