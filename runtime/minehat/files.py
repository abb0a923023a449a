"""Files that are either whole or not there: written aside, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import MineHatError

STEM = 40  # characters of a name that its scratch file bears; names may be as long as the disk allows


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a scratch path beside `path`; on success it becomes `path`, on failure nothing is left.

    The folder is made when absent. Raises MineHatError where it cannot be written to.
    """
    final = Path(path)
    scratch = _scratch_beside(final)
    try:
        yield scratch
        _flush_to_disk(scratch)
        os.replace(scratch, final)
        _flush_to_disk(final.parent)
    except OSError as exc:
        if exc.filename not in (None, str(scratch), scratch):
            raise  # of another file, that was read meanwhile
        raise MineHatError(f"{final} cannot be written: {exc.strerror or exc}. "
                           "Name another place or free some room.") from exc
    finally:
        scratch.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write bytes (or UTF-8 text) so that `path` holds all of it or is left as it was."""
    with written_whole(path) as scratch:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)


def ready_folder(path: str | os.PathLike[str]) -> Path:
    """Make the folder where it is absent, and raise MineHatError unless files can be made in it."""
    folder = Path(path)
    _scratch_beside(folder / "probe").unlink()
    return folder


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def _scratch_beside(final: Path) -> Path:
    if final.exists() and not final.is_file():  # a rename would take the place of a device or fail at the end
        raise MineHatError(f"{final} is no regular file. Name another one.")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{final.stem[:STEM]}.", suffix=f".tmp{final.suffix}",
                                        dir=final.parent)
        os.fchmod(handle, 0o644)
        os.close(handle)
    except FileExistsError as exc:
        raise MineHatError(f"{final.parent} is a file, not a folder. Name another one.") from exc
    except OSError as exc:
        raise MineHatError(f"{final.parent} cannot be written to: {exc.strerror or exc}. "
                           "Name a folder that is yours.") from exc
    return Path(name)


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
