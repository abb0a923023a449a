"""The configuration file while an update is tried: what it held before lies beside it until the update has settled."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import write_whole, written_whole
from ruamel.yaml.error import YAMLError

from ..config.load import config_of, read_config
from ..config.schema import Config
from ..events.lock import owned
from .merging import with_model_of

CHANGED = "its model is as before, take the rest of the update out of it by hand"


@dataclass(frozen=True)
class Marker:
    """Lies beside the configuration file, closed to others, as long as an update is on trial."""

    digest: str  # of the update
    told: str  # of it, for people
    state: str  # the state folder of the watch that tries it
    before: str  # text that the file held
    after: str  # SHA-256 of the text that it was given


def marker_beside(path: Path) -> Path:
    """Its file."""
    return path.with_name(f".{path.name}.before-update")


def put(path: Path, text: str, marker: Marker) -> None:
    """Write the configuration of an update, the marker first. Raises MineHatError; then the file is as it was."""
    with written_whole(marker_beside(path)) as scratch:
        scratch.chmod(0o600)
        scratch.write_text(json.dumps(asdict(marker)), encoding="utf-8")
    write_whole(path, text)


def marker_for(update_digest: str, told: str, state: Path, before: str, after: str) -> Marker:
    """The marker of an update that changes the text `before` to `after`."""
    return Marker(update_digest, told, str(state), before, _digest(after.encode()))


def marker_of(path: Path) -> Marker | None:
    """None where no update is on trial. Raises MineHatError where it cannot be read."""
    beside = marker_beside(path)
    try:
        return Marker(**json.loads(beside.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        raise MineHatError(f"{beside} cannot be read: {exc}. It tells what {path} held before an update: see that "
                           f"{path} is as you want it, then remove it.") from exc


def put_back(path: Path, marker: Marker) -> bool:
    """The file as it was before; False where somebody else has changed it since, and only its model is as before."""
    found = path.read_bytes() if path.is_file() else b""
    ours = not found or _digest(found) == marker.after
    if ours:
        write_whole(path, marker.before)
    elif found != marker.before.encode():
        with contextlib.suppress(UnicodeDecodeError, YAMLError, KeyError, TypeError):  # what is no configuration stays
            write_whole(path, with_model_of(found.decode(), marker.before))
    settle(path)
    return ours or found == marker.before.encode()


def settle(path: Path) -> None:
    """The update stays: nothing is put back any more."""
    marker_beside(path).unlink(missing_ok=True)


def first_read(path: Path) -> tuple[Config, str]:
    """The configuration at start-up, and one line of what was done with an update that was on trial, or "".

    Where that one cannot be put back, as on a disk that takes no more, the text of before holds all the same. Raises
    MineHatError as `read_config` does.
    """
    try:
        told = recover(path)
    except MineHatError as exc:
        with contextlib.suppress(MineHatError, OSError):
            if marker := marker_of(path):
                before = config_of(marker.before.removeprefix("\ufeff"), path, path.stat().st_mode)
                return before, f"{exc} The watch goes by what {path.name} held before the update {marker.told}."
        told = str(exc)
    return read_config(path), told


def recover(path: Path) -> str:
    """At start-up: take back what was on trial when the watch or the power went. One line of what was done, or "".

    Raises MineHatError where a watch that tries it is running, or the file cannot be written.
    """
    marker = marker_of(path)
    if marker is None:
        return ""
    with owned(Path(marker.state)):
        if marker_of(path) != marker:  # another watch ended its trial while this one came to begin
            return ""
        if put_back(path, marker):
            return f"the update {marker.told} was on trial when the watch ended: {path} is as it was before"
        return f"the update {marker.told} was on trial when the watch ended; {path} was changed since: {CHANGED}"


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
