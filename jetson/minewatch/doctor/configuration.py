"""Can the watch start with this configuration?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding
from minehat.errors import MineHatError

from ..config.load import read_partly
from ..config.schema import Config
from ..config.shown import words_of
from ..redact import Redactor
from .environment import as_the_service_has_it
from .state import closed_to

WHAT = "configuration"
UNSEEN = "Cameras, events and receivers are not looked at"


def configuration(file: Path, user: str, named: bool, kept: list[Config]) -> Iterator[Finding]:
    """What is to be said of it; as much of it as can be used is put into `kept`.

    user: the service's, if it is the service's. named: somebody asked for this file.
    """
    try:
        with as_the_service_has_it(file):
            tree, config, mistakes = read_partly(file)
            hide = Redactor({*(words_of(tree) if tree else ()), *(Redactor.of(config).secrets if config else ())})
    except MineHatError as exc:
        yield _unread(file, exc, named)
        return
    kept += [config] if config else []
    if mistakes:
        count = "one mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes; the first"
        yield Finding(WHAT, FAULT, f"{count}: {hide(mistakes[0])}", "The watch does not start with it",
                      f"See all: `minewatch check {file}`")
    elif user and closed_to(user, file):
        yield Finding(WHAT, FAULT, f"{file} is not {user}'s", "The service cannot use it",
                      f"`sudo chown {user}: {file}`")
    elif config:
        on = sum(camera.enabled for camera in config.cameras)
        yield Finding(WHAT, WELL if on else WARNING, f"{file}: {on} camera{'s' * (on != 1)} on",
                      "" if on else "Nothing is watched", "" if on else "`enabled: true` switches a camera on")


def _unread(file: Path, exc: MineHatError, named: bool) -> Finding:
    if isinstance(exc.__cause__, PermissionError):
        return Finding(WHAT, NOTE, f"{file} is closed to this user", UNSEEN, "Look again with sudo")
    if isinstance(exc.__cause__, FileNotFoundError) and not named:
        return Finding(WHAT, NOTE, f"none is at {file}, and none was named", UNSEEN, "Make one: `minewatch setup`, or "
                       "name one: `minewatch doctor FILE`")
    return Finding(WHAT, FAULT, str(exc))
