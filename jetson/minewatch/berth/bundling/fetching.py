"""Wheels come over the network into a cache, go on where they broke off, and count when their hash is right."""

from __future__ import annotations

import fcntl
import http.client
import io
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import ready_folder, sha256_of
from minehat.progress import bar

from .resolving import Wanted

PIECE = 1 << 18  # bytes read at once
MEGABYTE = 1_000_000
TRIES = 4  # for one wheel, each going on where the last one ended
WAIT = 30.0  # seconds for an answer, or for the next bytes
PAUSE = 1.0  # seconds after the first failure, doubled for each that follows


def fetch(wanted: Sequence[Wanted], cache: Path, pause: float = PAUSE) -> dict[str, Path]:
    """File name of each wheel -> where it lies in the cache, whole; a bar goes along.

    Raises MineHatError where one cannot be had, or is not what the index said. What was fetched stays in the cache.
    """
    ready_folder(cache)
    total = sum(one.bytes for one in wanted)
    for _ in bar(_megabytes(wanted, cache, pause), total // MEGABYTE, "wheels, MB"):
        pass
    return {one.file: _kept(cache, one) for one in wanted}


def _megabytes(wanted: Sequence[Wanted], cache: Path, pause: float) -> Iterator[None]:
    """Yields once for each megabyte that has come or was there."""
    before = told = 0
    for one in wanted:
        for come in _one(one, cache, pause):
            while told < (before + come) // MEGABYTE:
                told += 1
                yield
        before += one.bytes


def _one(wanted: Wanted, cache: Path, pause: float) -> Iterator[int]:
    """Fetch one wheel, unless it is there; yields how many of its bytes are there, as they come."""
    kept = _kept(cache, wanted)
    with _alone(kept.with_suffix(".part")) as part:
        if kept.is_file() and kept.stat().st_size == wanted.bytes and sha256_of(kept) == wanted.sha256:
            yield wanted.bytes
            return
        for attempt in range(TRIES):
            try:
                yield from _rest(wanted, part)
                break
            except (OSError, http.client.HTTPException) as exc:
                if attempt + 1 == TRIES or _final(exc):
                    raise _no_answer(wanted, cache, exc) from exc
                time.sleep(pause * 2 ** attempt)
        _accept(wanted, part, kept)


def _rest(wanted: Wanted, part: io.FileIO) -> Iterator[int]:
    """What is still missing of a wheel, written behind what is there."""
    have = part.seek(0, os.SEEK_END)
    if have > wanted.bytes:
        have = part.truncate(0)
    yield have
    if have == wanted.bytes:
        return
    asked = urllib.request.Request(wanted.url, headers={"Range": f"bytes={have}-", "Accept-Encoding": "identity"})
    with urllib.request.urlopen(asked, timeout=WAIT) as answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            part.truncate(0)  # the server begins at the beginning
        part.seek(0, os.SEEK_END)
        while piece := answer.read(PIECE):
            _keep(part, piece)
            yield part.tell()
    if part.tell() < wanted.bytes:
        raise http.client.IncompleteRead(b"", wanted.bytes - part.tell())


def _keep(part: io.FileIO, piece: bytes) -> None:
    """Append to a part. Raises MineHatError where the disk takes no more: that is no fault of the line."""
    rest = memoryview(piece)
    try:
        while rest:
            rest = rest[part.write(rest):]
    except OSError as exc:
        raise MineHatError(f"{Path(str(part.name)).parent} takes no more: {exc.strerror}. Free some room and run this "
                           "again, and it goes on there; or name another --cache.") from exc


def _accept(wanted: Wanted, part: io.FileIO, kept: Path) -> None:
    """The part takes its name when it is the wheel; otherwise it goes."""
    os.fsync(part.fileno())
    found = sha256_of(str(part.name))
    if found != wanted.sha256:
        os.unlink(str(part.name))
        raise MineHatError(f"{wanted.file} came with SHA-256 {found[:16]}..., and the index says "
                           f"{wanted.sha256[:16]}...: it was changed or harmed on its way. Run this again; if it "
                           "stays so, ask who runs your network.")
    os.replace(str(part.name), kept)


@contextmanager
def _alone(path: Path) -> Iterator[io.FileIO]:
    """The part of a wheel, open for reading and writing, while nobody else of us writes to it."""
    while True:
        with open(path, "a+b", buffering=0) as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            if not _still(path, part):
                continue
            try:
                yield part
            finally:
                if part.seek(0, os.SEEK_END) == 0 and _still(path, part):
                    os.unlink(path)
            return


def _still(path: Path, part: io.FileIO) -> bool:
    """Whether the open file is still the one of that name: another one of us may have finished it meanwhile."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(part.fileno()))
    except FileNotFoundError:
        return False


def _kept(cache: Path, wanted: Wanted) -> Path:
    return cache / f"{wanted.sha256}.whl"


def _final(exc: Exception) -> bool:
    """Whether asking again gives the same answer."""
    return isinstance(exc, urllib.error.HTTPError) and 400 <= exc.code < 500 and exc.code not in (408, 416, 429)


def _no_answer(wanted: Wanted, cache: Path, exc: Exception) -> MineHatError:
    reason = getattr(exc, "reason", None) or exc
    return MineHatError(f"{wanted.file} could not be fetched: {reason}. What has come is kept in {cache}: run this "
                        "again when the network is back, and it goes on there.")
