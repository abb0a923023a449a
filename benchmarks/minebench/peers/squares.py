"""Calibration pictures as the network sees them, in a folder of PNG files that every tool can read.

A square letterboxes to itself, so `quantize.py --images FOLDER` and the others calibrate on the same pixels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy.typing as npt
from minehat.card import ModelCard
from minehat.errors import MineHatError
from minehat.files import make_folder
from minehat.labels import read_split
from minehat.letterbox import as_input, letterbox
from minehat.pictures import SUFFIXES, read_picture, write_picture
from minehat.progress import bar
from minehat.scoring import spread

Array = npt.NDArray[Any]
Reader = Callable[[], Array]  # -> uint8 [h, w, 3] BGR


def write_squares(sources: Sequence[Path], card: ModelCard, limit: int | None, folder: Path) -> None:
    """Letterbox the pictures of folders, .txt lists and Pascal VOC splits, or `limit` spread evenly over them.

    The folder appears when it is whole. Raises MineHatError where a source holds none, a picture cannot be read, or
    the folder is there.
    """
    if folder.exists():
        raise MineHatError(f"{folder} is there already. Leave --images away to use it, or name another --peers.")
    readers = [reader for source in sources for reader in _readers(source, card.classes)]
    make_folder(folder.parent)
    with TemporaryDirectory(dir=folder.parent) as scratch:
        for row, read in enumerate(bar(spread(readers, limit), label="squares")):
            square, _ = letterbox(read(), card.height, card.width, card.pad)
            write_picture(Path(scratch) / "squares" / f"{row:05}.png", square)
        os.rename(Path(scratch) / "squares", folder)


def squares_in(folder: Path) -> list[Path]:
    """The squares of a folder, in order. Raises MineHatError where there are none."""
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise MineHatError(f"{folder} holds no squares (.png). Make them: `accuracy.py ... --images FOLDER "
                           "--peers OUT`.")
    return paths


def batches(paths: Sequence[Path], card: ModelCard) -> Iterator[Array]:
    """float32 [1, 3, H, W] of each square, read anew at each walk."""
    for path in paths:
        yield as_input(read_picture(path), card)[None]


def _readers(source: Path, classes: Sequence[str]) -> list[Reader]:
    if source.is_dir():
        paths = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in SUFFIXES]
    elif source.suffix == ".txt" and source.resolve().parent.parts[-2:] == ("ImageSets", "Main"):
        return [truth.read for truth in read_split(source.resolve().parents[2], source.stem, classes)]
    elif source.suffix == ".txt" and source.is_file():
        lines = source.read_text(encoding="utf-8").splitlines()
        paths = [source.parent / line.strip() for line in lines if line.strip()]
    else:
        raise MineHatError(f"--images {source}: no such folder or .txt list.")
    if not paths:
        raise MineHatError(f"--images {source}: no pictures in it.")
    return [partial(read_picture, path) for path in paths]
