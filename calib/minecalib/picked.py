"""The folder of picked frames: pictures, the list for quantize.py, a manifest, a sheet to look at. Whole or absent."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from minehat.errors import MineHatError
from minehat.files import ready_folder, sha256_of, write_whole
from minehat.letterbox import letterbox
from minehat.pictures import write_picture
from minehat.progress import bar

from .footage import Failed, Footage, Frame, frames_at
from .picking import Look, look_at

LIST, MANIFEST, SHEET = "calib.txt", "manifest.json", "contact.jpg"
MADE_BY = "calib/pick_images.py"
QUALITY = 95  # of frames of videos, as JPEG; pictures are copied byte for byte
CELL, CAPTION = (192, 108), 16  # pixels of a picture on the sheet, width and height, and of the line under it
MOST_SHOWN = 1000


def check_free(folder: Path, found: Sequence[Footage]) -> None:
    """Raise MineHatError unless the folder is absent, empty or an earlier pick, beside which we can write."""
    final = folder.resolve()
    ready_folder(final.parent)
    if not final.exists():
        return
    if not final.is_dir():
        raise MineHatError(f"-o {folder} is a file. Name a folder.")
    inside = [one for one in found if final in one.path.resolve().parents]
    if inside:
        raise MineHatError(f"-o {folder} holds footage to pick from ({inside[0].path}) and would be replaced. "
                           "Name another folder.")
    names = set(os.listdir(final))
    if names and not names <= _names_of_pick(final):
        raise MineHatError(f"-o {folder} holds other things than an earlier pick. Name a new or an empty folder.")


def write_pick(folder: Path, chosen: Sequence[Look], about: dict[str, Any], failed: Failed) -> int:
    """Write the chosen frames and what belongs to them; how many there are. `about` goes into the manifest.

    Raises MineHatError, and leaves the folder as it was, where none can be read.
    """
    with _replaced_whole(folder) as scratch:
        entries, thumbs = [], []
        shown = -(-len(chosen) // MOST_SHOWN)  # every so many-th is on the sheet
        for look, frame in bar(_read_again(chosen, failed), total=len(chosen), label="writing"):
            number = len(entries) + 1
            entries.append(_written(scratch, number, look, frame))
            if number % shown == 0:
                thumbs.append((letterbox(frame, CELL[1], CELL[0], pad=40)[0],
                               f"{number:04d}  light {look.brightness:.0f}"))
        if not entries:
            raise MineHatError("none of the chosen frames could be read a second time, so nothing is written.")
        write_picture(scratch / SHEET, contact_sheet(thumbs))
        write_whole(scratch / LIST, "".join(f"{entry['file']}\n" for entry in entries))
        write_whole(scratch / MANIFEST, json.dumps({"made_by": MADE_BY, **about, "failed": failed,
                                                    "pictures": entries}, indent=1) + "\n")
    return len(entries)


def contact_sheet(thumbs: Sequence[tuple[Frame, str]]) -> Frame:
    """Thumbnails (uint8 [108, 192, 3] BGR) with a line under each, in rows about as wide as the sheet is high."""
    width, height = CELL[0], CELL[1] + CAPTION
    columns = max(1, round((1.6 * len(thumbs) * height / width) ** 0.5))
    sheet = np.zeros((-(-len(thumbs) // columns) * height, columns * width, 3), np.uint8)
    for place, (thumb, caption) in enumerate(thumbs):
        y, x = place // columns * height, place % columns * width
        sheet[y:y + CELL[1], x:x + width] = thumb
        cv2.putText(sheet, caption, (x + 4, y + height - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (210, 210, 210), 1,
                    cv2.LINE_AA)
    return sheet


def _read_again(chosen: Sequence[Look], failed: Failed) -> Iterator[tuple[Look, Frame]]:
    for footage, group in groupby(chosen, key=lambda look: look.footage):
        looks = list(group)
        # not strict: a video may have become shorter since it was looked at
        yield from zip(looks, frames_at(footage, [look.seconds for look in looks], failed), strict=False)


def _written(folder: Path, number: int, look: Look, frame: Frame) -> dict[str, Any]:
    """Write one frame; its entry in the manifest, of the frame as it was read now."""
    path = folder / _name(number, look)
    if look.footage.is_video:
        write_picture(path, frame, QUALITY)
    else:
        write_whole(path, look.footage.path.read_bytes())
    now = look_at(frame, look.footage, look.seconds)
    return {"file": path.name, "source": str(look.footage.path), "seconds": look.seconds,
            "brightness": round(now.brightness, 2), "dhash": now.dhash, "sha256": sha256_of(path)}


def _name(number: int, look: Look) -> str:
    stem = re.sub(r"[^\w.-]+", "_", look.footage.path.stem)[:60].strip("_.") or "frame"
    if look.seconds is None:
        return f"{number:04d}_{stem}{look.footage.path.suffix.lower()}"
    return f"{number:04d}_{stem}_{look.seconds:.2f}s.jpg"


def _names_of_pick(folder: Path) -> set[str]:
    """The files that a pick in this folder consists of; none where there is none."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        ours = found["made_by"] == MADE_BY
        return {LIST, MANIFEST, SHEET, *(entry["file"] for entry in found["pictures"])} if ours else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


@contextlib.contextmanager
def _replaced_whole(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder that takes the place of `folder` on success; on failure nothing is left of it."""
    final = folder.resolve()
    scratch = Path(tempfile.mkdtemp(prefix=f".{final.name[:40]}.", suffix=".tmp", dir=final.parent))
    try:
        scratch.chmod(0o755)
        yield scratch
        _put(scratch, final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put(scratch: Path, final: Path) -> None:
    """Rename the folder; what has its name (nothing, an empty folder, an earlier pick) goes when it is there."""
    if not final.exists():
        os.rename(scratch, final)
        return
    aside = scratch.with_suffix(".old")
    os.rename(final, aside)
    try:
        os.rename(scratch, final)
    except BaseException:
        os.rename(aside, final)
        raise
    shutil.rmtree(aside)
