"""A configuration and the files of its secrets: laid out aside, examined there, and put in place all together."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import make_folder
from ruamel.yaml import YAML

from ..config.schema import Config
from ..config.secrets import secrets_of
from ..config.suggest import Loc
from ..events.disk import flush
from ..owner import as_owner_of

HEAD = """# Made by `minewatch setup`. minewatch.example.yaml explains every key, `minewatch check` names every mistake.
# Passwords are in files of their own beside this one, closed to others.

"""
ASIDE = ".minewatch-setup-"
STEM = 40  # characters of a camera's name in a file's


@dataclass(frozen=True)
class Layout:
    """The files that a configuration becomes, by their names; the configuration's own comes last."""

    config: str
    files: dict[str, str]


def layout(config: Config, name: str, there: Callable[[str], str | None]) -> Layout:
    """What is to be written. there: the text of a file that is in the folder now; None where there is no such file.

    No secret that an older configuration uses is written over: a new one gets a name of its own.
    """
    told: dict[str, Any] = config.model_dump(mode="json", exclude_unset=True)
    files: dict[str, str] = {}
    for loc, secret in secrets_of(config):
        if secret.value is not None:
            text = secret.value.get_secret_value() + "\n"
            file = _free(_named(config, loc), text, files, there)
            files[file] = text
            _at(told, loc[:-1])[loc[-1]] = {"file": file}
    stream = io.StringIO()
    writer = YAML()
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.width = 110
    writer.dump(told, stream)
    return Layout(name, {**files, name: HEAD + stream.getvalue()})


@contextmanager
def laid_aside(made: Layout, folder: Path, home: Path) -> Iterator[Path]:
    """The files in a folder of their own inside `folder`, closed to others; gone when the block ends.

    home: the folder in which the configuration was named. Root writes as its owner: nowhere that a link there leads to.
    """
    with as_owner_of(home):
        aside = _aside(folder)
    try:
        with as_owner_of(home):
            for name, text in made.files.items():
                _write(aside / name, text)
        yield aside
    finally:
        with as_owner_of(home):
            shutil.rmtree(aside, ignore_errors=True)


def put_in_place(made: Layout, aside: Path, folder: Path, home: Path) -> Path | None:
    """Move the files to where they belong, the configuration last. Returns where the one that was there is kept.

    home: as `laid_aside` has it. Whatever ends it before that, all is as it was.
    """
    with as_owner_of(home):
        return _moved(made, aside, folder)


def _aside(folder: Path) -> Path:
    _sweep(folder)
    try:
        return Path(tempfile.mkdtemp(prefix=f"{ASIDE}{os.getpid()}-", dir=folder))
    except OSError as exc:
        raise MineHatError(f"{folder} cannot be written to: {exc.strerror}. Type it with sudo before it, or name "
                           "another place.") from exc


def _moved(made: Layout, aside: Path, folder: Path) -> Path | None:
    new = [folder / name for name in made.files if name != made.config and not (folder / name).exists()]
    backup = _kept(folder / made.config, aside)
    try:
        for path in new:
            os.replace(aside / path.name, path)
        flush(folder)
        os.replace(aside / made.config, folder / made.config)
        flush(folder)
    except BaseException:
        for path in (*new, *([backup] if backup else [])):
            path.unlink(missing_ok=True)
        raise
    return backup


@contextmanager
def folder_for(config: Path) -> Iterator[Path]:
    """The configuration's folder, made where it is absent; gone again where it stays empty."""
    folder = config.absolute().parent
    absent = not folder.exists()
    make_folder(folder)
    try:
        yield folder
    finally:
        if absent and not any(folder.iterdir()):
            folder.rmdir()


def _kept(config: Path, aside: Path) -> Path | None:
    """A copy of the configuration that is there, beside it, closed to others; None where there is none."""
    if not config.exists():
        return None
    backup = config.with_name(f"{config.name}.{datetime.now():%Y%m%dT%H%M%S}")
    scratch = aside / "before"
    _write(scratch, config.read_bytes().decode("utf-8", "surrogateescape"))
    os.replace(scratch, backup)
    return backup


def _write(path: Path, text: str) -> None:
    """To the disk, for the owner alone."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(handle)


def _sweep(folder: Path) -> None:
    """What a setup that was killed left behind: it may hold passwords."""
    for left in folder.glob(f"{ASIDE}*"):
        pid = left.name.removeprefix(ASIDE).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)


def _named(config: Config, loc: Loc) -> str:
    """For whom the secret is, as a file's name."""
    if loc[0] == "cameras":
        return f"{_stem(config.cameras[int(loc[1])].name)}.password"
    if "webhooks" in loc:
        return f"{_stem(config.sinks.webhooks[int(loc[2])].name)}.secret"
    return f"{'-'.join(str(step) for step in loc[:-1] if step != 'sinks')}.{loc[-1]}"


def _stem(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name.casefold())[:STEM].strip("-") or "camera"


def _free(name: str, text: str, files: dict[str, str], there: Callable[[str], str | None]) -> str:
    """This name, or the next one that nothing else has."""
    stem, _, suffix = name.rpartition(".")
    number, free = 1, name
    while free in files or there(free) not in (None, text):
        number += 1
        free = f"{stem}-{number}.{suffix}"
    return free


def _at(told: Any, loc: Loc) -> Any:
    for step in loc:
        told = told[step]
    return told
