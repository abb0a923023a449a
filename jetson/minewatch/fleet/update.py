"""What a signed update says of itself, and whether this box may take it. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from ..berth import manifest as berth
from ..berth.errors import Refused
from ..config.schema import VERSION
from .ledger import Ledger
from .refusal import NotTaken

NAME = "minehat-update"
KEY = "trusted.pem"  # the public key that updates must be signed with, beside the configuration file
CHANGE = "change.yaml"  # path in the update
STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")  # builds; the later one is the greater text
MOST_BYTES = 2 << 30  # of all files
MOST_FILES = 64
MODEL_KEYS = ("file", "card", "engine", "fallback")


@dataclass(frozen=True)
class Update:
    """One update, its signature verified."""

    manifest: berth.Manifest
    digest: str  # SHA-256 of its MANIFEST.json: no two updates share it
    site: str
    boxes: tuple[str, ...]  # for which it is; () for all of the site
    instead_of: str  # build in whose place it may be put although it is older; "" for none
    config_version: int
    model: dict[str, str]  # key of `model` in the configuration -> path in the update; {} where it brings none
    note: str

    @property
    def build(self) -> str:
        """When it was packed: 20261122T134500Z."""
        return self.manifest.build

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(listed.bytes for listed in self.manifest.files.values())

    @property
    def told(self) -> str:
        """For people: the build, and what was noted."""
        return f"{self.build}{f' ({self.note})' if self.note else ''}"


@dataclass(frozen=True)
class Here:
    """What an update must fit."""

    site: str
    box: str
    release: str = ""  # build of the software that runs; "" where it was not installed from a bundle


def update_of(raw: bytes) -> Update:
    """The update of a MANIFEST.json that was verified. Raises NotTaken where it is none."""
    try:
        manifest = berth.from_bytes(raw)
    except Refused as exc:
        raise NotTaken("unsound", str(exc)) from exc
    more = manifest.more
    if manifest.kind != "update":
        raise NotTaken("unsound", f"it is a {manifest.kind}, not an update: install it by `sudo sh install.sh`")
    model: Any = more.get("model", {})
    sound = (
        STAMP.fullmatch(manifest.build) and isinstance(more.get("site"), str) and isinstance(more.get("note"), str)
        and isinstance(more.get("boxes"), list) and all(isinstance(box, str) for box in more["boxes"])
        and type(more.get("config_version")) is int and isinstance(more.get("instead_of"), str)
        and isinstance(model, dict) and model.keys() <= set(MODEL_KEYS) and (not model or "file" in model)
        and all(isinstance(path, str) and path in manifest.files for path in model.values())
        and set(manifest.files) - set(model.values()) - {f"{path}.json" for path in model.values()} <= {CHANGE})
    if not sound:
        raise NotTaken("unsound", "its MANIFEST.json says otherwise than pack_update.py writes it: pack it again")
    found = Update(manifest, hashlib.sha256(raw).hexdigest(), more["site"], tuple(more["boxes"]), more["instead_of"],
                   more["config_version"], dict(model), more["note"])
    if len(manifest.files) > MOST_FILES or found.bytes > MOST_BYTES:
        raise NotTaken("unsound", f"it has {len(manifest.files)} files and {found.bytes} bytes; at most {MOST_FILES} "
                       f"and {MOST_BYTES} are taken")
    return found


def wanted(update: Update, here: Here, ledger: Ledger) -> bool:
    """Whether it is to be copied and tried; False where it is not news. Raises NotTaken where it must not be."""
    if update.site != here.site:
        raise NotTaken("site", f"{update.told} is for the site {update.site!r}, this is {here.site!r}")
    if update.boxes and here.box not in update.boxes:
        return False
    if ledger.knows(update.digest):
        return False
    if update.config_version != VERSION:
        raise NotTaken("config", f"{update.told} is for configurations of version {update.config_version}, this "
                       f"release reads {VERSION}: pack it for this one, or install the release that it is for first")
    newest = max(ledger.newest, here.release)
    if update.build <= newest and not (update.instead_of and update.instead_of == ledger.build):
        raise NotTaken("older", f"{update.told} is not newer than {newest}, which this box had already. To go back, "
                       f"pack it anew, or with `--instead-of {ledger.build or newest}`")
    return True
