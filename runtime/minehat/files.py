"""Files that are either whole or not there: written aside, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import MineHatError


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
        raise MineHatError(f"{final} cannot be written: {exc.strerror or exc}. "
                           "Name another place or free some room.") from exc
    finally:
        scratch.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write bytes (or UTF-8 text) so that `path` holds all of it or is left as it was."""
    with written_whole(path) as scratch:
        scratch.write_bytes(content.encode() if isinstance(content, str) else content)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def _scratch_beside(final: Path) -> Path:
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{final.stem}.", suffix=f".tmp{final.suffix}",
                                        dir=final.parent)
        os.fchmod(handle, 0o644)
        os.close(handle)
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
