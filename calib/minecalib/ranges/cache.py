"""Calibration kept between runs: found again by what it was made of, so that a stale one cannot be used."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.progress import say

from .histograms import BINS, Array, Histogram, Seen

SCHEMA = 3  # of the files; part of their names
KEPT = 32  # files; the oldest go


def key_of_run(model_sha256: str, images_sha256: str, card: str, equalise: bool) -> str:
    """What a calibration depends on: the model's bytes, the squares, the card that makes them its input, and whether
    channels are equalised."""
    facts = [SCHEMA, BINS, model_sha256, images_sha256, card, equalise]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def cached(key: str, folder: Path | None, make: Callable[[], Seen]) -> tuple[Seen, Path | None]:
    """What was kept under `key`, and the file that it came from; else what `make` gives (which is kept) and None.

    folder: None keeps nothing. One that cannot be written to, or a damaged file, is told, and costs time alone.
    """
    if folder is None:
        return make(), None
    path = folder / f"{key}.npz"
    if path.is_file():
        try:
            seen = _read(path)
            os.utime(path)
            return seen, path
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as exc:
            say(f"{path} is damaged ({exc}); calibrating again.")
    seen = make()
    try:
        write_whole(path, _bytes_of(seen))
        _clear(folder)
    except (MineHatError, OSError) as exc:
        say(f"the calibration is not kept: {exc}")
    return seen, None


def _bytes_of(seen: Seen) -> bytes:
    lines = list(seen.histograms.values())
    file = io.BytesIO()
    np.savez_compressed(
        file, names=np.array(list(seen.histograms)), strengths=seen.strengths,
        limits=np.array([[one.low, one.high, one.bottom, one.top] for one in lines]).reshape(-1, 4),
        counts=np.array([one.counts for one in lines]).reshape(-1, BINS),
        **_columns("means", seen.means), **_columns("greatest", seen.greatest))
    return file.getvalue()


def _read(path: Path) -> Seen:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
        histograms = {str(name): Histogram(*map(float, limits), counts)
                      for name, limits, counts in zip(kept["names"], kept["limits"], kept["counts"], strict=True)}
        return Seen(histograms, _by_name("means", kept), kept["strengths"], _by_name("greatest", kept))


def _columns(kind: str, by_name: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays of different lengths, end to end."""
    return {f"{kind}_names": np.array(list(by_name), str), kind: np.concatenate([np.zeros(0), *by_name.values()]),
            f"{kind}_ends": np.cumsum([0, *map(len, by_name.values())])}


def _by_name(kind: str, kept: Mapping[str, Array]) -> dict[str, Array]:
    return {str(name): kept[kind][start:end]
            for name, (start, end) in zip(kept[f"{kind}_names"], pairwise(kept[f"{kind}_ends"]), strict=True)}


def _clear(folder: Path) -> None:
    """Remove what was not used for longest, beyond KEPT files."""
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
