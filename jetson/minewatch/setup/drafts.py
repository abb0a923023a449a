"""A configuration on its way: held against the schema piece by piece, and with what was left out put in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.inputs import is_url

from ..cameras.address import parted
from ..config.load import config_made_of, config_of, faults_in
from ..config.passwords import hashed
from ..config.positions import Entry, Fault, Node
from ..config.schema import VERSION, Config
from .models import model_here
from .places import state_for

STAND_IN: Mapping[str, Any] = {"version": VERSION, "state": "state", "model": {"file": "model.onnx"},
                               "cameras": [{"name": "stand-in", "url": "rtsp://stand-in"}]}
CURE = "Mend it and type the same again; nothing was written."


def complaint(piece: Mapping[str, Any], place: str, folder: Path) -> str:
    """What the schema says against a piece of a configuration, at `place` or below, one line; "" for nothing.

    piece: top-level keys, as they will stand in the file. place: cameras.0.url, say.
    """
    faults = faults_in(_text({**STAND_IN, **piece}), folder / "minewatch.yaml")
    return "; ".join(fault.text for fault in faults if f"{fault.path}.".startswith(f"{place}."))


def config_from(told: Mapping[str, Any], folder: Path) -> Config:
    """The configuration of answers that make a whole one. Raises ManyFaults."""
    return config_of(_text({"version": VERSION, **told}), folder / "minewatch.yaml")


def read_answers(path: Path, folder: Path) -> Config:
    """The configuration that a file of answers makes for `folder`. Raises ManyFaults with each mistake's line.

    It has the configuration's own keys. Passwords may stand in it as they are, those of `web.users` as `password`;
    `version`, `state` and `model` may be left out.
    """
    return config_made_of(path, lambda tree: _completed(tree, folder), CURE)


def _completed(tree: Node, folder: Path) -> list[Fault]:
    """Put in what was left out. Returns the faults of what only a file of answers may say."""
    entries = tree.entries
    if entries is None:
        return []
    usual = {"version": lambda: VERSION, "state": lambda: str(state_for(folder)), "model": model_here}
    for key, value in usual.items():
        if key not in entries and (found := value()) is not None:
            entries[key] = Entry(1, 1, _node(found))
    for camera in _rows(tree, "cameras"):
        _part_url(camera)
    return [fault for row, user in enumerate(_rows(tree, "web", "users"))
            for fault in _with_hash(user, f"web.users.{row}.password")]


def _rows(tree: Node, *keys: str) -> list[Node]:
    """What a list holds; nothing where there is none."""
    node: Node | None = tree
    for key in keys:
        entry = (node.entries or {}).get(key) if node else None
        node = entry.node if entry else None
    return (node.items or []) if node else []


def _part_url(camera: Node) -> None:
    """User and password that stand in a URL go into keys of their own, so that the password gets a file."""
    entries = camera.entries or {}
    url = entries["url"].node if "url" in entries else None
    if url is None or not isinstance(url.value, str) or not is_url(url.value) or "user" in entries:
        return
    try:
        found = parted(url.value)
    except MineHatError:  # which the schema tells, with its place
        return
    entries.update({key: Entry(url.line, url.column, Node(url.line, url.column, text)) for key, text in found.items()})


def _with_hash(user: Node, place: str) -> list[Fault]:
    """The hash of a user's password in the password's place."""
    entries = user.entries or {}
    if "password" not in entries or "password_hash" in entries:
        return []
    entry = entries.pop("password")
    password = entry.node.value
    try:
        if not isinstance(password, str):
            raise MineHatError("found no text; wanted a password in quotes")
        text, faults = hashed(password), []
    except MineHatError as exc:
        text, faults = hashed("stand-in"), [Fault(entry.node.line, entry.node.column, place, str(exc).rstrip("."))]
    entries["password_hash"] = Entry(entry.line, entry.column, Node(entry.node.line, entry.node.column, text))
    return faults


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        return Node(1, 1, entries={key: Entry(1, 1, _node(one)) for key, one in value.items()})
    return Node(1, 1, value)


def _text(told: Mapping[str, Any]) -> str:
    """JSON, which is YAML."""
    return json.dumps(told, ensure_ascii=False)
