"""The folder of picked frames: pictures, the list for quantize.py, a manifest, a sheet to look at. Whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import ready_folder, sha256_of, write_whole
from minehat.pictures import SUFFIXES, write_picture
from minehat.progress import bar

from .container import Frame
from .footage import VIDEO_SUFFIXES, Failed, frames_at
from .looks import Look, look_at
from .sheet import MOST_SHOWN, contact_sheet, thumbnail

LIST, MANIFEST, SHEET = "calib.txt", "manifest.json", "contact.jpg"
MADE_BY = "calib/pick_images.py"
QUALITY = 95  # of frames of videos, as JPEG; pictures are copied byte for byte


def check_free(folder: Path, places: Sequence[str | Path]) -> None:
    """Raise MineHatError unless the folder is absent, empty or an earlier pick, and none of the places of footage."""
    final = folder.resolve()
    if fault := _fault(folder, final, places):
        raise MineHatError(f"{folder} {fault}. Name a new or an empty folder last: `pick_images.py FOOTAGE... OUT`.")
    ready_folder(final.parent)


def write_pick(folder: Path, chosen: Sequence[Look], about: dict[str, Any], every: float, failed: Failed) -> int:
    """Write the chosen frames and what belongs to them; how many there are. `about` goes into the manifest.

    every: as the footage was looked at. Raises MineHatError, and leaves the folder as it was, where none can be read.
    """
    with _replaced_whole(folder) as scratch:
        entries, thumbnails = [], []
        shown = -(-len(chosen) // MOST_SHOWN)  # every so many-th is on the sheet
        for look, frame in bar(_read_again(chosen, every, failed), total=len(chosen), label="writing"):
            number = len(entries) + 1
            entries.append(_written(scratch, number, look, frame))
            if number % shown == 0:
                thumbnails.append(thumbnail(number, look, frame))
        if not entries:
            raise MineHatError("none of the chosen frames could be read a second time, so nothing is written.")
        write_picture(scratch / SHEET, contact_sheet(thumbnails))
        write_whole(scratch / LIST, "".join(f"{entry['file']}\n" for entry in entries))
        told = {"made_by": MADE_BY, **about, "sha256": sha256_of_set(entries), "failed": failed, "pictures": entries}
        write_whole(scratch / MANIFEST, json.dumps(told, indent=1) + "\n")
    return len(entries)


def sha256_of_set(entries: Sequence[dict[str, Any]]) -> str:
    """Of the pictures' own SHA-256, in hex and sorted, one after the other: whatever their order and names."""
    return hashlib.sha256("".join(sorted(entry["sha256"] for entry in entries)).encode()).hexdigest()


def _fault(folder: Path, final: Path, places: Sequence[str | Path]) -> str:
    if final.exists() and not final.is_dir():
        return "is a file, and what comes last is the folder to make"
    if folder.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES:
        return "is named like footage, and what comes last is the folder to make"
    if any(final in (place.resolve(), *place.resolve().parents) for place in map(Path, places)):
        return "is the folder to make, and is or holds footage, which would be replaced"
    if final.exists() and not set(os.listdir(final)) <= _names_of_pick(final):
        return "holds other things than an earlier pick"
    return ""


def _read_again(chosen: Sequence[Look], every: float, failed: Failed) -> Iterator[tuple[Look, Frame]]:
    for footage, group in groupby(chosen, key=lambda look: look.footage):
        looks = list(group)
        # not strict: a video may have become shorter since it was looked at
        yield from zip(looks, frames_at(footage, [look.seconds for look in looks], every, failed), strict=False)


def _written(folder: Path, number: int, look: Look, frame: Frame) -> dict[str, Any]:
    """Write one frame; its entry in the manifest, of the frame as it was read now."""
    path = folder / _name(number, look)
    if look.footage.is_video:
        write_picture(path, frame, QUALITY)
    else:
        write_whole(path, look.footage.path.read_bytes())
    now = look_at(frame, look.footage, look.seconds)
    told = {"file": path.name, "source": str(look.footage.path), "seconds": look.seconds,
            "brightness": round(now.brightness, 2), "dhash": now.dhash, "sha256": sha256_of(path)}
    if look.content is None:
        return told
    return told | {"content": look.content.kind, "found": look.content.counts, "doubtful": look.content.doubtful}


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
