"""An update is made, on a host: a folder of signed files, to be laid on a stick or below a server's address."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from minehat.card import read_card
from minehat.errors import MineHatError
from minehat.inputs import is_url, without_secrets

from ..berth import manifest as berth
from ..berth import signing
from ..config.check import WANTED
from ..config.schema import VERSION
from ..config.suggest import Loc, is_secret
from .merging import change_of
from .refusal import NotTaken
from .update import CHANGE, NAME, Update, update_of

FOLDER = "models"  # in the update
CARDED = (".engine",)  # models whose card lies beside them


@dataclass(frozen=True)
class Wish:
    """What an update is to be."""

    site: str
    boxes: tuple[str, ...] = ()  # () for all of the site
    models: Mapping[str, Path] | None = None  # file, card, engine, fallback
    change: Path | None = None  # YAML
    note: str = ""
    instead_of: str = ""  # build that the box may give up for this one, although this one is older
    build: str = ""  # to be made instead of a new one, as of an older update that is packed again


def pack(out: Path, wish: Wish, key: Path, now: datetime) -> Update:
    """Write the folder, whole or not at all. Raises MineHatError or berth's Refused.

    now: UTC; its second is the build, and a later build is newer.
    """
    models = dict(wish.models or {})
    if not models and not wish.change:
        raise MineHatError("an update without a model and without a change would do nothing. Name --model or --change.")
    _check(models, wish.change)
    with _new_folder(out) as folder:
        placed = {name: _laid(file, folder) for name, file in models.items()}
        if wish.change:
            shutil.copyfile(wish.change, folder / CHANGE)
        more = {"site": wish.site, "boxes": list(wish.boxes), "instead_of": wish.instead_of, "config_version": VERSION,
                "model": placed, "note": wish.note}
        build = wish.build or now.strftime("%Y%m%dT%H%M%SZ")
        made = berth.Manifest("update", NAME, version("minehat"), build, berth.hashed(folder), more)
        (folder / berth.NAME).write_bytes(berth.to_bytes(made))
        signing.sign(folder / berth.NAME, folder / berth.SIGNATURE, key)
        return _read_back(folder)


def _check(models: Mapping[str, Path], change: Path | None) -> None:
    for name, file in models.items():
        if not file.is_file():
            raise MineHatError(f"{file}: no such file. Name one with --{name if name != 'file' else 'model'}.")
    names = [file.name for file in models.values()]
    if len(set(names)) < len(names):
        raise MineHatError(f"two of {', '.join(names)} have one name. Rename one.")
    if models:
        card = read_card(models.get("card", models["file"]))
        if not set(WANTED) <= set(card.classes):
            raise MineHatError(f"{models['file']} knows {', '.join(card.classes)}, not {' and '.join(WANTED)}. Name a "
                               "model that tells helmets from bare heads.")
    if change:
        try:
            told = change_of(change.read_text("utf-8"))
        except NotTaken as exc:
            raise MineHatError(f"{change}: {exc}.") from exc
        except (OSError, UnicodeDecodeError) as exc:
            raise MineHatError(f"{change} cannot be read: {exc}. Name a YAML file.") from exc
        for where in _open_secrets(told, ()):
            raise MineHatError(f"{change}: {where} holds a password, which all could read who can read the update. Put "
                               "it into a file on each box and name that: `password: {file: NAME}`.")


def _open_secrets(value: Any, loc: Loc) -> Iterator[str]:
    """Where a change tells a password itself. The hash of one may travel: else no user could be added so."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _open_secrets(inner, (*loc, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _open_secrets(inner, (*loc, at))
    elif isinstance(value, str):
        named = is_secret(loc) and loc[-1] not in ("file", "env", "password_hash")
        if named or (is_url(value) and "@" in value and without_secrets(value) != value):
            yield ".".join(map(str, loc))


def _laid(file: Path, folder: Path) -> str:
    """Copy a model, and its card where that lies beside it; its path in the update."""
    (folder / FOLDER).mkdir(exist_ok=True)
    shutil.copyfile(file, folder / FOLDER / file.name)
    card = file.with_name(f"{file.name}.json")
    if file.suffix.lower() in CARDED and card.is_file():
        shutil.copyfile(card, folder / FOLDER / card.name)
    return f"{FOLDER}/{file.name}"


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that takes the place of `out` when it is whole; `out` must be absent, empty or an earlier update."""
    if out.exists() and not _is_update(out):
        raise MineHatError(f"{out} is there, and is no update. Name another folder.")
    mark = secrets.token_hex(4)
    scratch, old = out.with_name(f".{out.name}.{mark}.new"), out.with_name(f".{out.name}.{mark}.old")
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if out.exists():
            os.rename(out, old)
        os.rename(scratch, out)
    except OSError as exc:
        raise MineHatError(f"{out} cannot be written: {exc.strerror or exc}. Name another place or free some room."
                           ) from exc
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _is_update(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        return bool(json.loads((folder / berth.NAME).read_bytes()).get("kind") == "update")
    except (OSError, ValueError, AttributeError):
        return False


def _read_back(folder: Path) -> Update:
    """As a box will. Raises MineHatError where it would not take it."""
    try:
        update = update_of((folder / berth.NAME).read_bytes())
    except NotTaken as exc:
        raise MineHatError(f"no box would take it: {exc}.") from exc
    berth.verify(folder, update.manifest)
    return update
