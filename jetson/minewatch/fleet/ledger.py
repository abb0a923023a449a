"""What a box remembers of updates: which one runs, which were refused, what was told. One file, written whole."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import make_folder, write_whole

FILE = "ledger.json"
LOCK = "lock"
PATIENCE = 60.0  # seconds that one waits for another
MOST = 100  # refused updates, and applied ones, that are remembered


@dataclass(frozen=True)
class Ledger:
    """Digests are of an update's MANIFEST.json."""

    running: str = ""  # digest of the update that was applied last
    build: str = ""  # of that
    newest: str = ""  # the newest build that ever ran here; going back does not lower it
    refused: dict[str, str] = field(default_factory=dict)  # digest -> why, of those that are not looked at again
    applied: tuple[dict[str, Any], ...] = ()  # {"build", "digest", "note", "time"}, the newest last
    tries: dict[str, int] = field(default_factory=dict)  # digest -> times that its trial began
    told: dict[str, str] = field(default_factory=dict)  # where an update or report failed -> why, while it does

    def knows(self, digest: str) -> bool:
        """Whether this update was applied or refused already."""
        return digest in self.refused or any(one["digest"] == digest for one in self.applied)


def folder_of(state: Path) -> Path:
    """Where all of it lies, in the state folder."""
    return state / "updates"


def read_ledger(state: Path) -> Ledger:
    """An empty one where there is none. Raises MineHatError where it is spoiled."""
    path = folder_of(state) / FILE
    try:
        told = json.loads(path.read_bytes())
        return Ledger(**{**told, "applied": tuple(told["applied"])})
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise MineHatError(f"{path} cannot be read: {exc}. Updates wait until it is removed; the box then forgets "
                           "which it had.") from exc


def write_ledger(state: Path, ledger: Ledger) -> None:
    """Raises MineHatError where it cannot be written."""
    kept = asdict(ledger) | {"applied": ledger.applied[-MOST:], "refused": dict([*ledger.refused.items()][-MOST:])}
    write_whole(folder_of(state) / FILE, json.dumps(kept, indent=1, ensure_ascii=False))


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Inside, no other process touches the updates of this state folder. Raises MineHatError where one goes on."""
    make_folder(folder_of(state))
    handle = os.open(folder_of(state) / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        _lock(handle, time.monotonic() + PATIENCE)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, until: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() >= until:
                raise MineHatError("updates of this box are being looked at by another process. Wait until it is done, "
                                   "then type it again.") from exc
            time.sleep(0.1)
