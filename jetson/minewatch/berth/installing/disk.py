"""Files and links that are whole or as they were, and copies that are what the manifest lists."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ..errors import Refused
from ..manifest import PIECE, Listed


def scratch_of(path: Path) -> Path:
    """Where it is made before it takes its place."""
    return path.with_name(f".{path.name}.new")


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write aside, flush, rename: `path` holds all of it or is left as it was."""
    scratch = scratch_of(path)
    scratch.unlink(missing_ok=True)
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(handle, mode)
        os.fsync(handle)
    os.replace(scratch, path)
    flush(path.parent)


def point(link: Path, to: Path) -> None:
    """Make or turn a link in one step; it holds a relative path, so that it is right under every root."""
    scratch = scratch_of(link)
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(os.path.relpath(to, link.parent))
    os.replace(scratch, link)
    flush(link.parent)


def copy_listed(source: Path, target: Path, listed: Listed) -> None:
    """Copy a file and raise Refused where what was read is not what the manifest lists (a stick that reads badly)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(source, "rb") as coming, open(target, "wb") as going:
        while piece := coming.read(PIECE):
            digest.update(piece)
            going.write(piece)
    if digest.hexdigest() != listed.sha256:
        raise Refused(f"{source} was read otherwise than a moment before. Is the medium sound? Copy the bundle again.")


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def bytes_of(folder: Path) -> int:
    """What a folder takes on the disk. Whoever is at work in it may take files away meanwhile."""
    total = 0
    for inner, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):
                total += Path(inner, file).lstat().st_blocks * 512
    return total


def flush(folder: Path) -> None:
    """Flush what was renamed in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
