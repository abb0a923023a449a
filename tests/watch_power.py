"""A disk that forgets, at a power cut, any sectors that nobody had it sync: a file system for SQLite, of apsw.

It cannot show a disk that lies about having synced.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
WATCHED = ("events.db", "events.db-wal", "events.db-journal")


class PowerCut(Exception):
    """Nothing is written any more."""


@dataclass
class Disk:
    """What is safe of every file, and what has been written since. Power fails at operation number `cut`."""

    cut: int
    operations: int = 0
    safe: dict[str, bytearray] = field(default_factory=dict)  # name -> content; absent where the file is not there
    pending: dict[str, list[tuple[int, bytes | None]]] = field(default_factory=dict)  # offset and bytes; None: cut off

    def step(self) -> None:
        """One more operation."""
        self.operations += 1
        if self.operations > self.cut:
            raise PowerCut

    def write(self, name: str, offset: int, content: bytes | None) -> None:
        """Into the disk's memory."""
        self.step()
        self.pending.setdefault(name, []).append((offset, content))

    def sync(self, name: str) -> None:
        """Onto the disk, in order."""
        self.step()
        _apply(self.safe.setdefault(name, bytearray()), self.pending.pop(name, []))

    def delete(self, name: str) -> None:
        """Safe at once."""
        self.step()
        self.safe.pop(name, None)
        self.pending.pop(name, None)

    @contextmanager
    def off(self) -> Iterator[None]:
        """What is written inside goes nowhere: connections are closed after a cut."""
        safe, pending = deepcopy(self.safe), deepcopy(self.pending)
        self.cut = 1 << 60
        yield
        self.safe, self.pending = safe, pending

    def after_the_cut(self, folder: Path, rng: random.Random) -> None:
        """Lay down what a machine finds when power is back: of what was not synced, sectors at random."""
        folder.mkdir(parents=True)
        for name in {*self.safe, *self.pending}:
            content, written = bytearray(self.safe.get(name, b"")), self.pending.get(name, [])
            if name not in self.safe and rng.random() < 0.5:
                continue
            share = rng.random()
            for offset, piece in written:
                _apply(content, [one for one in _sectors(offset, piece) if rng.random() < share])
            (folder / name).write_bytes(content)


def _apply(content: bytearray, writes: list[tuple[int, bytes | None]]) -> None:
    for offset, piece in writes:
        if piece is None:
            del content[offset:]
            continue
        if len(content) < offset + len(piece):
            content.extend(bytes(offset + len(piece) - len(content)))
        content[offset:offset + len(piece)] = piece


def _sectors(offset: int, piece: bytes | None) -> list[tuple[int, bytes | None]]:
    if piece is None:
        return [(offset, None)]
    edges = [offset, *range((offset // SECTOR + 1) * SECTOR, offset + len(piece), SECTOR), offset + len(piece)]
    return [(start, piece[start - offset:end - offset]) for start, end in pairwise(edges)]


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, filename: Any, flags: list[int]) -> None:
        name = filename.filename() if isinstance(filename, apsw.URIFilename) else filename
        self._disk, self._name = disk, Path(str(name)).name
        super().__init__("", filename, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._name in WATCHED:
            self._disk.write(self._name, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        if self._name in WATCHED:
            self._disk.write(self._name, size, None)
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        if self._name in WATCHED:
            self._disk.sync(self._name)


class _Files(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        return _File(self._disk, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:
        if Path(name).name in WATCHED:
            self._disk.delete(Path(name).name)
        super().xDelete(name, sync)


@contextmanager
def forgetful(disk: Disk) -> Iterator[str]:
    """The name of a file system of SQLite that lies on this disk."""
    files = _Files(f"forgetful-{id(disk)}", disk)
    try:
        yield f"forgetful-{id(disk)}"
    finally:
        files.unregister()
