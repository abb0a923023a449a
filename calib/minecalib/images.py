"""The calibration pictures: found in folders and lists, sampled, and shown as the network sees them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.labels import read_split
from minehat.letterbox import as_input, letterbox
from minehat.pictures import SUFFIXES, read_picture
from minehat.progress import bar

FEWEST = 8  # different pictures; below this a range is an accident


@dataclass(frozen=True)
class Picture:
    """A picture that can be read when its turn comes."""

    path: Path
    read: Callable[[], npt.NDArray[np.uint8]]  # -> uint8 [h, w, 3] BGR


def find_pictures(sources: Sequence[str | Path], classes: Sequence[str]) -> list[Picture]:
    """The pictures of folders (searched through), .txt lists and single files, each once, in a fixed order.

    A list names pictures relative to itself, one a line. One that lies in a Pascal VOC folder's
    ImageSets/Main names stems; its pictures lose their mirrored bands, as in training. `classes` are
    those that the VOC labels may bear.
    """
    found = [picture for source in sources for picture in _pictures_of(Path(source), classes)]
    return list({picture.path.resolve(): picture for picture in found}.values())


def sample(pictures: Sequence[Picture], limit: int | None, seed: int) -> list[Picture]:
    """At most `limit` of them, drawn with `seed`, in their old order."""
    if limit is None or limit >= len(pictures):
        return list(pictures)
    rows = sorted(random.Random(seed).sample(range(len(pictures)), limit))
    return [pictures[row] for row in rows]


@dataclass
class Squares:
    """The pictures as batches of one, read anew at each walk, so that memory does not grow with their number.

    A walk yields (path, float32 [1, 3, H, W]). A picture that cannot be read is put into `failed`
    and passed over from then on.
    """

    pictures: Sequence[Picture]
    card: ModelCard
    failed: dict[Path, str] = field(default_factory=dict)  # -> the reason
    digests: dict[Path, bytes] = field(default_factory=dict)  # SHA-256 of each square's pixels

    def survey(self) -> None:
        """Read all once. Raises MineHatError unless enough different pictures can be read."""
        for _ in self._squares("reading"):
            pass
        self._check()

    def walk(self, label: str) -> Iterator[tuple[Path, npt.NDArray[np.float32]]]:
        """Yield every usable picture, with a progress bar called `label`."""
        for path, square in self._squares(label):
            yield path, as_input(square, self.card)[None]

    def leave_out(self, digests: Collection[bytes]) -> int:
        """After a survey: use the squares of these digests no more; how many they are."""
        kept = [one for one in self.pictures if self.digests.get(one.path) not in digests]
        gone = len(self.pictures) - len(kept)
        if gone:
            self.pictures = kept
            self.digests = {one.path: self.digests[one.path] for one in kept if one.path in self.digests}
            self._check()
        return gone

    def some(self, count: int) -> Squares:
        """At most `count` of the usable pictures, spread over the set."""
        usable = [picture for picture in self.pictures if picture.path not in self.failed]
        return Squares(usable[::max(1, len(usable) // count)][:count], self.card, self.failed, self.digests)

    def _check(self) -> None:
        usable, different = len(self.digests), len(set(self.digests.values()))
        if usable >= FEWEST and different == 1:
            raise MineHatError(f"all {usable} calibration pictures are the same to the pixel. "
                               "Give pictures of different scenes with `--images`.")
        if different < FEWEST:
            raise MineHatError(f"{different} different usable pictures for calibration, at least {FEWEST} "
                               f"are needed{self._worst()}. Give more with `--images`.")

    @property
    def sha256(self) -> str:
        """Hash of what the network was shown, whatever the order and the names of the files."""
        return hashlib.sha256(b"".join(sorted(self.digests.values()))).hexdigest()

    def _squares(self, label: str) -> Iterator[tuple[Path, npt.NDArray[np.uint8]]]:
        for picture in bar(self.pictures, label=label):
            if picture.path not in self.failed:
                try:
                    frame = picture.read()
                except MineHatError as exc:
                    self.failed[picture.path] = str(exc)
                else:
                    square, _ = letterbox(frame, self.card.height, self.card.width, self.card.pad)
                    self.digests[picture.path] = digest_of(square)
                    yield picture.path, square

    def _worst(self) -> str:
        return f" ({len(self.failed)} could not be read: {next(iter(self.failed.values()))})" if self.failed else ""


def digest_of(square: npt.NDArray[np.uint8]) -> bytes:
    """What tells a square from all others."""
    return hashlib.sha256(square.tobytes()).digest()


def _pictures_of(source: Path, classes: Sequence[str]) -> list[Picture]:
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES
                       and path.is_file() and not path.name.startswith("."))
        if not paths:
            raise MineHatError(f"--images {source}: no pictures in this folder "
                               f"({', '.join(sorted(SUFFIXES))}).")
        return [_plain(path) for path in paths]
    if not source.is_file():
        raise MineHatError(f"--images {source}: no such folder, list or picture.")
    if source.suffix.lower() in SUFFIXES:
        return [_plain(source)]
    if source.suffix.lower() != ".txt":
        raise MineHatError(f"--images {source}: neither a folder, a .txt list nor a picture.")
    return _listed(source, classes)


def _listed(listing: Path, classes: Sequence[str]) -> list[Picture]:
    voc = listing.resolve().parent.parent.parent
    if listing.resolve().parent == voc / "ImageSets" / "Main":
        return [Picture(one.path, one.read) for one in read_split(voc, listing.stem, classes)]
    try:
        lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError as exc:
        raise MineHatError(f"--images {listing}: not a text file that lists pictures.") from exc
    paths = [listing.parent / line for line in lines if line]
    if not paths:
        raise MineHatError(f"--images {listing}: the list is empty.")
    return [_plain(path) for path in paths]


def _plain(path: Path) -> Picture:
    return Picture(path, partial(read_picture, path))
