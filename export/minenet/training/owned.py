"""A run folder belongs to one process at a time, and is swept of what a killed one left half-written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import ready_folder

LOCK = "lock"


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the folder until the block ends, or the process, however it ends.

    Raises MineHatError where another run holds it.
    """
    import fcntl

    ready_folder(folder)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise MineHatError(f"{folder} is being written to by another run that is going on. Wait for it, or name "
                               "another --out.") from exc
        for scratch in folder.glob(".*.tmp*"):
            scratch.unlink(missing_ok=True)
        yield
