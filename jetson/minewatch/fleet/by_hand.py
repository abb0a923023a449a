"""minewatch update FOLDER_OR_URL CONFIG: an update that a person brings.

It is verified and copied into the state folder; the running watch then tries it as it tries all others, and what came
of it is told here. While no watch runs it waits for the next one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from minehat.doors import DONE
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.inputs import is_url
from minehat.progress import say

from ..config.load import read_config
from ..config.schema import Config
from ..config.secrets import revealed
from ..events.lock import LOCK
from ..events.opening import ready_state
from ..owner import as_owner_of, as_root_again
from .deadline import within
from .ledger import Ledger, alone, read_ledger, write_ledger
from .refusal import NotTaken
from .release import release_here
from .sources import Folder, Login, source_of
from .staging import fetched
from .tasks import SOURCE_SECONDS, asked
from .update import KEY, Here, Update

WAIT = 900.0  # seconds for the watch to try it
EVERY = 0.5


def update_by_hand(place: str, path: Path, sleep: Callable[[float], None] = time.sleep) -> int:
    """Returns 0 where it was applied, or waits for a watch. Raises MineHatError where it was refused, and why."""
    config = read_config(path)
    with as_owner_of(path.absolute().parent):
        ready_state(config.state)
        with as_owner_of(config.state):
            return _brought(place, path, config, sleep)


def _brought(place: str, path: Path, config: Config, sleep: Callable[[float], None]) -> int:
    state = config.state
    with alone(state):
        ledger = read_ledger(state)
        update = _fetched(place, path, config, ledger)
        ledger = replace(ledger, told={other: why for other, why in ledger.told.items() if other != update.digest})
        write_ledger(state, ledger)
        write_whole(asked(state), update.digest)
    say(f"{update.told}: {update.bytes / 1e6:.1f} MB, whole and signed")
    watch = _watching(state)
    if watch is None:
        say("no watch is running here: the next one tries it when it has begun.")
        return DONE
    try:
        os.kill(watch, signal.SIGHUP)
    except PermissionError as exc:
        raise MineHatError(f"the watch, process {watch}, is another user's, and tries the update at its next look. "
                           f"To see what comes of it: `sudo minewatch update {place} {path}`.") from exc
    return _outcome(update, state, ledger, sleep)


def _fetched(place: str, path: Path, config: Config, ledger: Ledger) -> Update:
    part = config.updates
    secure = place.lower().startswith("https://")
    login = Login(part.user or "", revealed(part.password) or "", str(part.ca or "")) if secure else Login()
    here = Here(config.site, part.box or os.uname().nodename, release_here())
    key = part.key or path.absolute().parent / KEY
    source = source_of(place, login) if is_url(place) else _Brought(Path(place))
    try:
        with within(SOURCE_SECONDS):
            found = fetched(source, config.state, key, here, ledger, config.keep.disk_share,
                            again=True)
    except NotTaken as exc:
        raise MineHatError(f"{place}: {str(exc).rstrip('.')}. Nothing was changed.") from exc
    if found is None:
        raise MineHatError(f"{place} holds no update for {here.box}. Name the folder that MANIFEST.json lies in, and "
                           "see with which --box it was packed.")
    return found


def _outcome(update: Update, state: Path, before: Ledger, sleep: Callable[[float], None]) -> int:
    """Wait until the watch has tried it."""
    deadline = time.monotonic() + WAIT
    say("the watch tries it now; Ctrl-C ends the waiting alone.")
    while time.monotonic() < deadline:
        now = read_ledger(state)
        if now.running == update.digest and now.applied != before.applied:
            say(f"{update.told}: applied.")
            return DONE
        if why := now.refused.get(update.digest):
            raise MineHatError(f"{why.rstrip('.')}. All is as it was before.")
        if why := now.told.get(update.digest):
            raise MineHatError(f"{why.rstrip('.')}. It is tried again at the watch's next look.")
        sleep(EVERY)
    raise MineHatError(f"the watch did not try it within {WAIT:.0f} s: a new model waits for a camera that sends "
                       "pictures. It is tried as soon as one does; see the page.")


def _watching(state: Path) -> int | None:
    """The process that has the state folder; None for none."""
    with contextlib.suppress(FileNotFoundError), open(state / LOCK, encoding="ascii", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno != errno.EWOULDBLOCK:
                raise
            pid = file.read(20).strip()
            return int(pid) if pid.isdecimal() else None
    return None


class _Brought:
    """A folder that a person named, perhaps a stick that is closed to the watch's user: opened by who typed it."""

    def __init__(self, folder: Path) -> None:
        with as_root_again():
            if not folder.is_dir():
                raise MineHatError(f"{folder} is no folder. Name the folder that pack_update.py wrote, or its address.")
        self._folder = Folder(folder)

    @contextmanager
    def opened(self, path: str, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]] | None]:
        """As Source says."""
        with ExitStack() as stack:
            with as_root_again():
                found = stack.enter_context(self._folder.opened(path, start))
            yield found
