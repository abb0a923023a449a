"""A configuration file becomes a Config, or all its mistakes at once, each with its line and column."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from minehat.errors import ManyFaults, MineHatError
from pydantic import ValidationError

from ..logs import logger
from .faults import at_of, dotted, place_of, told_of
from .mending import mend, original
from .migrate import STEPS, Step, is_older, kept_beside, migrated
from .positions import Fault, Node, Unreadable, tree_of
from .schema import Config
from .secrets import holds_secrets, revealed, secrets_of
from .suggest import Loc, is_number, is_required, is_secret

MOST_BYTES = 512 * 1024
MOST_FAULTS = 200  # that are told; whoever has more begins with those


def read_config(path: str | os.PathLike[str], steps: Mapping[int, Step] = STEPS) -> Config:
    """The configuration in a file, its paths absolute. Raises ManyFaults with every mistake, or MineHatError.

    One of an older version is migrated by `steps`: read as the newest, and kept beside as NAME.v1.yaml.
    """
    path = Path(path)
    text, mode = _read(path)
    tree, faults = _tree_of(text, path)
    if not faults and is_older((tree.entries or {}).get("version"), steps):
        text = migrated(text, steps)
        path = kept_beside(text, path, mode)
        logger("config").warning("was of an older version; the newest reads like this copy", file=str(path))
    return config_of(text, path, mode)


def config_of(text: str, path: Path, mode: int = 0o600) -> Config:
    """The configuration in a text that stands in `path`, whose permission bits are `mode`."""
    tree, faults = _tree_of(text, path)
    config = _judged(tree, faults, path, mode)
    if faults or config is None:
        raise _told(path, faults)
    return config


def config_made_of(path: Path, made: Callable[[Node], list[Fault]], cure: str) -> Config:
    """The configuration in a file that is none yet: `made` makes its tree one, and tells the faults that it finds.

    cure: a sentence for who has mistakes in it.
    """
    text, mode = _read(path)
    tree, faults = _tree_of(text, path, cure)
    faults += made(tree)
    config = _judged(tree, faults, path, mode)
    if faults or config is None:
        raise _told(path, faults, cure)
    return config


def faults_in(text: str, path: Path) -> list[Fault]:
    """The mistakes of a text that shall stand in `path`, none where it is right. Raises ManyFaults for no YAML."""
    tree, faults = _tree_of(text, path)
    _judged(tree, faults, path, 0o600)
    return faults


def read_partly(path: Path) -> tuple[Node | None, Config | None, tuple[str, ...]]:
    """What stands in a file that may be wrong, the configuration it makes, and its mistakes, a line each.

    In the configuration something that is right stands in for what is wrong; None where too much is. Raises
    MineHatError only where the file cannot be read at all.
    """
    text, mode = _read(path)
    try:
        as_it_stands, (tree, faults) = _tree_of(text, path)[0], _tree_of(text, path)
    except ManyFaults as exc:
        return None, None, exc.lines
    config = _judged(tree, faults, path, mode)
    return as_it_stands, config, _told(path, faults).lines


def _tree_of(text: str, path: Path, cure: str = "") -> tuple[Node, list[Fault]]:
    try:
        return tree_of(text)
    except Unreadable as exc:
        raise _told(path, list(exc.faults), cure) from None


def _judged(tree: Node, faults: list[Fault], path: Path, mode: int) -> Config | None:
    """The configuration without what is wrong in it, which is added to `faults` and put right in the tree."""
    config, more = _validated(tree, path.absolute().parent)
    faults += more
    faults += _of_secrets(config, tree, path, mode) if config else []
    return config


def _validated(tree: Node, base: Path) -> tuple[Config | None, list[Fault]]:
    """The configuration without what is wrong in it, and that. None where nothing could be made of the rest."""
    if tree.entries is None:
        return None, [Fault(tree.line, tree.column, "", "found no keys; wanted version, state, model and cameras")]
    faults = _let_pass(tree, ())
    for fault in faults:
        mend(tree, tuple(int(step) if step.isdecimal() else step for step in fault.path.split(".")))
    for _ in range(MOST_FAULTS):  # each time what the last one complained of is out of the way
        try:
            return Config.model_validate(tree.plain(), context={"base": base}), faults
        except ValidationError as exc:
            errors = exc.errors(include_url=False)[:MOST_FAULTS]
        found = [(error, original(tree, (*error["loc"], *at_of(error)))) for error in errors]
        faults += [fault for fault in told_of(found, tree) if fault not in faults]
        if len(faults) >= MOST_FAULTS:
            break
        for _, loc in found:
            mend(tree, loc)
    return None, faults


def _let_pass(node: Node, loc: Loc) -> list[Fault]:
    """What the schema alone would take: `true` for the number 1, and a password that is not there for none."""
    if isinstance(node.value, bool) and is_number(loc):
        return [Fault(node.line, node.column, dotted(loc), f"found {str(node.value).lower()}; wanted a number")]
    empty = node.items is None and node.entries is None and node.value is None
    if empty and is_secret(loc) and not is_required(loc):
        return [Fault(node.line, node.column, dotted(loc), "found nothing; wanted a password in quotes, or no key")]
    return [fault for step, child in node.children() for fault in _let_pass(child, (*loc, step))]


def _of_secrets(config: Config, tree: Node, path: Path, mode: int) -> list[Fault]:
    """Secrets that cannot be had, and those that everybody can read."""
    faults = []
    for loc, secret in secrets_of(config):
        loc = original(tree, loc)
        line, column, _ = place_of(tree, loc)
        try:
            revealed(secret)
        except MineHatError as exc:
            faults.append(Fault(line, column, dotted(loc), str(exc).rstrip(".")))
        if secret.file and _is_open(secret.file):
            faults.append(Fault(line, column, dotted(loc), f"everybody can read {secret.file}; type `chmod 600 "
                                f"{secret.file}`"))
    if mode & stat.S_IROTH and holds_secrets(config):
        faults.append(Fault(1, 1, "", f"everybody can read this file, and it holds secrets; type `chmod 600 {path}`"))
    if mode & stat.S_IWOTH:
        faults.append(Fault(1, 1, "", f"everybody can change this file; type `chmod 600 {path}`"))
    return faults


def _is_open(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _told(path: Path, faults: list[Fault], cure: str = "") -> ManyFaults:
    ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))[:MOST_FAULTS]
    lines = [f"{path}:{fault.line}:{fault.column}: {fault.path + ': ' if fault.path else ''}{fault.text}"
             for fault in ordered]
    more = " and more" if len(faults) > MOST_FAULTS else ""
    return ManyFaults(lines, f"{len(lines)}{more} mistakes in {path}.",
                      cure or f"Mend it and type `minewatch check {path}`.")


def _read(path: Path) -> tuple[str, int]:
    """The text of a file and its permission bits."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise MineHatError(f"{path} is a folder. Name the configuration file in it.")
        if not stat.S_ISREG(found.st_mode):
            raise MineHatError(f"{path} is no regular file. Name a configuration file.")
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise MineHatError(f"{path} cannot be read: {exc.strerror or exc}. {_cure(exc, path)}") from exc
    if len(raw) > MOST_BYTES:
        raise MineHatError(f"{path} has more than {MOST_BYTES // 1024} KiB; no configuration is so long. Name another "
                           "file.")
    try:
        return raw.decode("utf-8-sig"), found.st_mode
    except UnicodeDecodeError as exc:
        before = raw[:exc.start]
        line, column = before.count(b"\n") + 1, exc.start - before.rfind(b"\n")
        raise MineHatError(f"{path}:{line}:{column}: the file is not UTF-8. Save it as UTF-8 in your editor.") from exc


def _cure(exc: OSError, path: Path) -> str:
    if isinstance(exc, FileNotFoundError):
        return "Name a configuration file; jetson/minewatch.example.yaml is one to begin with."
    return f"Have its owner open it to this user: `chown $USER {path}`."
