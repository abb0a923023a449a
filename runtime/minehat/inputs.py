"""What the sources that a person names hold: pictures, videos and cameras, none of them opened yet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import MineHatError
from .pictures import SUFFIXES

SECRET_KEY = r"(?i)([?&;/_#][\w.-]*(?:pas|pwd|pw|token|key|secret|auth|sig)[\w.-]*=)"
OnError = Callable[[MineHatError], None]


@dataclass(frozen=True)
class Input:
    """One picture, video or camera of those that the sources name."""

    name: str  # what its shots are called
    place: str  # the path or URL to open
    given: int  # which of the sources named it

    @property
    def is_camera(self) -> bool:
        return is_url(self.place)

    @property
    def is_picture(self) -> bool:
        return not self.is_camera and Path(self.place).suffix.lower() in SUFFIXES


def listed(sources: list[str], on_error: OnError) -> list[Input]:
    """What the sources hold, nothing opened yet. Sources that are not there go to `on_error`."""
    inputs: list[Input] = []
    for given, source in enumerate(sources):
        try:
            inputs += _inputs(source, given)
        except MineHatError as exc:
            on_error(exc)
    return inputs


def is_url(source: str) -> bool:
    """Whether a source is a camera's (or a server's) URL rather than a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def without_secrets(url: str) -> str:
    """The URL with *** for user and password and for the values of keys that sound secret; a path as it is.

    Passwords hold unescaped @, :, / and ? in the wild: everything up to the last @ is hidden, wherever
    that stands. Old cameras take keys in the path, joined by _ or ; as in /user=a_password=b_stream=0.
    """
    if not is_url(url):
        return url
    scheme, _, rest = url.partition("://")
    before, at, after = rest.rpartition("@")
    if at:  # where a secret key stands before it, the @ may be in its value
        rest = "***@" + (re.sub("^[^&#]*", "", after) if re.search(SECRET_KEY + "[^&#]*$", before) else after)
    path, mark, query = rest.partition("?")
    path = re.sub(SECRET_KEY + r"(?:(?!_[^\W_]+=)[^&;/#])*", r"\1***", path)
    return f"{scheme}://{path}" + re.sub(SECRET_KEY + "[^&#]*", r"\1***", mark + query)


def _inputs(source: str, given: int) -> list[Input]:
    if is_url(source):
        return [Input(without_secrets(source), source, given)]
    path = Path(source)
    try:
        if path.is_dir():
            names = sorted(entry.name for entry in os.scandir(path) if _is_listed_picture(entry))
            if not names:
                raise MineHatError(f"{source}: the folder holds no picture ({', '.join(sorted(SUFFIXES))}). "
                                   "Name videos and subfolders one by one.")
            return [Input(str(path / name), str(path / name), given) for name in names]
        if not path.exists():
            raise MineHatError(f"{source}: no such picture, folder or video.")
    except OSError as exc:
        raise MineHatError(f"{source} cannot be read: {exc.strerror or exc}.") from exc
    return [Input(source, source, given)]


def _is_listed_picture(entry: os.DirEntry[str]) -> bool:
    visible = not entry.name.startswith(".")
    return visible and Path(entry.name).suffix.lower() in SUFFIXES and entry.is_file()
