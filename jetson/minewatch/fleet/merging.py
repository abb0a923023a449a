"""A change laid over a configuration's text, comments and all else left as it was.

A key that is `null` is taken out; lists of named things (cameras, zones, webhooks, users) are joined by their names,
and what has a new name is added; any other value takes the place of the old one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.util import load_yaml_guess_indent

from ..config.migrate import STEPS, is_older, migrated
from ..config.positions import Unreadable, tree_of
from ..config.suggest import instead_of, kind_at
from .refusal import NotTaken

WIDTH = 4096  # of a line, above which the writer would break it
OURS = ("version", "state", "site")  # keys that no update changes: the watch would have to be started again


def change_of(text: str) -> dict[str, Any]:
    """A change as plain values. Raises NotTaken with the first thing that is wrong in it."""
    try:
        tree, faults = tree_of(text)
    except Unreadable as exc:
        faults = list(exc.faults)
    if faults:
        raise NotTaken("unsound", f"change.yaml:{faults[0].line}:{faults[0].column}: {faults[0].path} {faults[0].text}")
    plain = tree.plain()
    if not isinstance(plain, dict):
        raise NotTaken("unsound", "change.yaml holds no keys; wanted those that differ from the configuration of a box")
    for key in OURS:
        if key in plain:
            raise NotTaken("unsound", f"change.yaml: {key}: no update changes it. Take it out")
    _want_known(plain, ())
    return plain


def merged(text: str, change: Mapping[str, Any], model: Mapping[str, Path]) -> str:
    """The configuration with the change, and with the model that an update brought, in it.

    text: of a configuration that reads without mistakes. model: `file`, `card`, `engine` and `fallback`, those that it
    brought. A new `file` takes the old one's card and engine away.
    """
    tree, _ = tree_of(text)
    if is_older((tree.entries or {}).get("version"), STEPS):
        text = migrated(text)
    with _edited(text) as (config, written):
        _lay(config, change)
        if model:
            _lay_model(config["model"], model)
    return written.getvalue()


def with_model_of(text: str, other: str) -> str:
    """The configuration with the `model` of another one in it. Raises YAMLError, KeyError or TypeError for no such."""
    with _edited(text) as (config, written):
        config["model"] = YAML().load(other)["model"]
    return written.getvalue()


@contextmanager
def _edited(text: str) -> Iterator[tuple[Any, io.StringIO]]:
    """What a text holds, to be changed inside, and where it is written afterwards."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    _, yaml.sequence_indent, yaml.sequence_dash_offset = load_yaml_guess_indent(text, yaml=YAML())
    config, written = yaml.load(text), io.StringIO()
    yield config, written
    yaml.dump(config, written)


def _want_known(value: Any, loc: tuple[str | int, ...]) -> None:
    """Every key must be one that a configuration has."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if kind_at((*loc, key)) is None:
                raise NotTaken("unsound", f"change.yaml: {'.'.join(map(str, (*loc, key)))}: no configuration has such "
                               f"a key{instead_of((*loc, key))}")
            _want_known(inner, (*loc, key))
    elif isinstance(value, list):
        for inner in value:
            _want_known(inner, (*loc, 0))


def _lay(into: Any, change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, Mapping):
            if not isinstance(into.get(key), Mapping):
                into[key] = CommentedMap()
            _lay(into[key], value)
        elif _named(value) and isinstance(into.get(key), list):
            _join(into[key], value)
        else:
            into[key] = value


def _join(into: list[Any], changes: list[Any]) -> None:
    for change in changes:
        mine = next((one for one in into if isinstance(one, Mapping) and one.get("name") == change["name"]), None)
        if mine is None:
            mine = CommentedMap()
            into.append(mine)
        _lay(mine, change)


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "name" in one for one in value)


def _lay_model(part: Any, model: Mapping[str, Path]) -> None:
    target = (part.get("engine") or {}).get("target")
    for key in ("card", "engine"):
        part.pop(key, None)
    for key, path in model.items():
        if key == "engine":
            part[key] = CommentedMap({"onnx": str(path), **({"target": target} if target else {})})
        else:
            part[key] = str(path)
