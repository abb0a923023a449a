"""Files that are either whole or not there: written aside, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import MineHatError

STEM = 40  # characters of a name that its scratch file bears; names may be as long as the disk allows


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a scratch path beside `path`; on success it becomes `path`, on failure nothing is left.

    The folder is made when absent. A symlink stays, and the file that it names is written; a file that was
    there keeps its mode. Raises MineHatError where it cannot be written to.
    """
    final = _target(path)
    scratch = _scratch_beside(final, Path(path).suffix)
    try:
        yield scratch
        _flush_to_disk(scratch)
        if final.exists():
            os.chmod(scratch, stat.S_IMODE(final.stat().st_mode))
        os.replace(scratch, final)
        _flush_to_disk(final.parent)
    except BrokenPipeError:
        raise  # of a reader of ours, who went away meanwhile
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
    ready_file(Path(path) / "probe")
    return Path(path)


def ready_file(path: str | os.PathLike[str]) -> None:
    """Make the file's folder where it is absent, and raise MineHatError unless `path` can be written there."""
    _scratch_beside(_target(path)).unlink()


def cache_folder(kind: str) -> Path:
    """Where things of a kind lie that can be made again: $XDG_CACHE_HOME/minehat/kind, or in ~/.cache.

    Raises MineHatError where no home is known, as of a container's user without a name.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minehat" / kind
    except RuntimeError as exc:
        raise MineHatError("this user has no home folder; name a folder for what is kept between runs in "
                           "XDG_CACHE_HOME.") from exc


def make_folder(folder: Path) -> None:
    """Make the folder where it is absent. Raises MineHatError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as exc:
        raise MineHatError(f"{folder} is a file, not a folder. Name another one.") from exc
    except OSError as exc:
        raise _not_ours(folder, exc) from exc


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def _target(path: str | os.PathLike[str]) -> Path:
    """The file itself, where `path` is a symlink to it."""
    return Path(os.path.realpath(path) if os.path.islink(path) else path)


def _scratch_beside(final: Path, suffix: str = "") -> Path:
    """A new empty file; nobody else may read it where it takes the place of a file, whose mode comes last."""
    if final.exists() and not final.is_file():  # a rename would take the place of a device or fail at the end
        raise MineHatError(f"{final} is no regular file. Name another one.")
    make_folder(final.parent)
    scratch = final.with_name(f".{final.stem[:STEM]}.{secrets.token_hex(8)}.tmp{suffix}")
    try:
        os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if final.exists() else 0o666))
    except OSError as exc:
        raise _not_ours(final.parent, exc) from exc
    return scratch


def _not_ours(folder: Path, exc: OSError) -> MineHatError:
    return MineHatError(f"{folder} cannot be written to: {exc.strerror or exc}. Name a folder that is yours.")


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
