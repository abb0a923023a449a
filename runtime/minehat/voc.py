"""Labelled pictures in Pascal VOC folders: JPEGImages, Annotations, ImageSets/Main.

A `mirror_bands.tsv` in the folder names pictures that were padded to a square with their own
mirror image; the bands are cut off, boxes and all, wherever labelled pictures are read.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import MineHatError
from .pictures import SUFFIXES, read_picture

SEEN_SHARE = 0.4  # a box that keeps less of itself than this inside the cut picture is dropped


@dataclass(frozen=True)
class Labelled:
    """One labelled picture. Boxes are in pixels of the picture as `read` gives it (bands cut off)."""

    path: Path
    boxes: npt.NDArray[np.float32]  # [n, 4] x0 y0 x1 y1
    labels: npt.NDArray[np.int64]  # [n], rows of the classes asked for
    ignored: npt.NDArray[np.bool_]  # [n], difficult or ignore: count neither way
    window: tuple[int, int, int, int] | None  # x0 y0 x1 y1 of what is kept of the file's picture
    size: tuple[int, int] | None = None  # width and height that the annotation tells of the file's picture

    def read(self) -> npt.NDArray[np.uint8]:
        """The picture, uint8 [h, w, 3] BGR. Raises MineHatError where its annotation tells another size."""
        frame = read_picture(self.path)
        height, width = frame.shape[:2]
        if self.size is not None and self.size != (width, height):
            raise MineHatError(f"{self.path} is {width}x{height}, seen upright, and its annotation says "
                               f"{self.size[0]}x{self.size[1]}: the boxes would lie elsewhere. Mend the annotation.")
        if self.window is None:
            return frame
        x0, y0, x1, y1 = self.window
        return np.ascontiguousarray(frame[y0:y1, x0:x1])


def read_split(folder: str | Path, split: str, classes: Sequence[str]) -> list[Labelled]:
    """The pictures that ImageSets/Main/<split>.txt names. Raises MineHatError naming what is wrong."""
    folder = Path(folder)
    listing = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not listing.is_file():
        raise MineHatError(f"{folder} is not a Pascal VOC folder with a {split!r} split: "
                           f"{listing} is missing.")
    bands = _read_bands(folder / "mirror_bands.tsv")
    stems = [line.strip() for line in _text(listing).splitlines() if line.strip()]
    return [_read_one(folder, stem, classes, bands.get(stem)) for stem in stems]


def _read_one(folder: Path, stem: str, classes: Sequence[str], band: tuple[str, int] | None) -> Labelled:
    annotation = folder / "Annotations" / f"{stem}.xml"
    try:
        root = ElementTree.parse(annotation).getroot()
        width, height = (int(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
        if width < 1 or height < 1:
            raise ValueError(f"its size is {width}x{height}")
        objects = [_read_object(node, classes, annotation) for node in root.iter("object")]
    except (OSError, ValueError, ElementTree.ParseError) as exc:
        raise MineHatError(f"{annotation} cannot be read as a Pascal VOC annotation: {exc}.") from exc
    boxes = np.array([box for box, _, _ in objects], np.float32).reshape(-1, 4)
    labels = np.array([label for _, label, _ in objects], np.int64)
    ignored = np.array([skip for _, _, skip in objects], bool)
    window = _window(stem, band, width, height)
    boxes, seen = _cut(boxes, window or (0, 0, width, height))
    return Labelled(_picture_of(folder, stem), boxes[seen], labels[seen], ignored[seen], window, (width, height))


def _read_object(node: ElementTree.Element, classes: Sequence[str],
                 annotation: Path) -> tuple[list[float], int, bool]:
    name = node.findtext("name", "").strip()
    if name not in classes:
        raise MineHatError(f"{annotation}: class {name!r} is none of {', '.join(classes)}.")
    # VOC counts pixels from 1 and names the last one inside: 1..w becomes 0..w.
    x0, y0, x1, y1 = (float(node.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax"))
    if not (x0 <= x1 and y0 <= y1):
        raise ValueError(f"box {x0:g} {y0:g} {x1:g} {y1:g} is inside out")
    skip = any(node.findtext(key, "0").strip() == "1" for key in ("difficult", "ignore"))
    return [x0 - 1, y0 - 1, x1, y1], list(classes).index(name), skip


def _picture_of(folder: Path, stem: str) -> Path:
    for suffix in sorted(SUFFIXES):
        for written in (suffix, suffix.upper()):
            path = folder / "JPEGImages" / f"{stem}{written}"
            if path.is_file():
                return path
    raise MineHatError(f"{folder / 'JPEGImages'} holds no picture {stem}.jpg (or .png, ...).")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise MineHatError(f"{path} cannot be read as UTF-8 text: {exc}.") from exc


def _read_bands(path: Path) -> dict[str, tuple[str, int]]:
    if not path.is_file():
        return {}
    rows = [line.split("\t") for line in _text(path).splitlines()
            if line.strip() and not line.startswith("#")]
    try:
        bands = {stem: (sides, int(pixels)) for stem, sides, pixels in rows}
        if not all(sides in ("tb", "lr") and pixels >= 0 for sides, pixels in bands.values()):
            raise ValueError("unknown sides")
        return bands
    except ValueError as exc:
        raise MineHatError(f"{path}: each line must be: name, tb or lr, pixels (tab between them).") from exc


def _window(stem: str, band: tuple[str, int] | None, width: int,
            height: int) -> tuple[int, int, int, int] | None:
    if band is None:
        return None
    sides, pixels = band
    if 2 * pixels >= (height if sides == "tb" else width):
        raise MineHatError(f"mirror_bands.tsv: two bands of {pixels} pixels ({sides}) leave nothing of {stem}, "
                           f"which is {width}x{height}.")
    return (0, pixels, width, height - pixels) if sides == "tb" else (pixels, 0, width - pixels, height)


def _cut(boxes: npt.NDArray[np.float32],
         window: tuple[int, int, int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Boxes moved into the window and clipped to it, and which of them are still seen."""
    x0, y0, x1, y1 = window
    moved = boxes - np.array([x0, y0, x0, y0], np.float32)
    inside = np.clip(moved, 0, np.array([x1 - x0, y1 - y0] * 2, np.float32))
    before = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    after = np.prod(inside[:, 2:] - inside[:, :2], axis=1)
    return inside, after >= np.maximum(SEEN_SHARE * before, 1.0)
