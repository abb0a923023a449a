"""What a release puts outside of its folder: units and their kin, commands; listed, so that all can be taken away."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .disk import point, scratch_of, write_whole
from .layout import COMMANDS, Layout

KINDS = (  # how names in a release's units/ end, where such files belong, and how their names end there
    (".tmpfiles.conf", "etc/tmpfiles.d", ".conf"),
    (".sysusers.conf", "etc/sysusers.d", ".conf"),
    (".journald.conf", "etc/systemd/journald.conf.d", ".conf"),
    (".rules", "etc/udev/rules.d", ".rules"),
    (".service", "etc/systemd/system", ".service"),
)


@dataclass(frozen=True)
class Placed:
    """What lies outside of `home`, as paths under the root: files in any order, folders of ours outer ones first."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


def destinations(units: Path) -> dict[str, Path]:
    """Path under the root for each file of a release's units/ that has a place in the system."""
    return {f"{folder}/{file.name.removesuffix(end)}{new_end}": file
            for file in (sorted(units.iterdir()) if units.is_dir() else [])
            for end, folder, new_end in KINDS if file.name.endswith(end)}


def place(layout: Layout) -> Placed:
    """Put the current release's files where the system looks for them, and take away those of releases before."""
    units = destinations(layout.current.resolve() / "units")
    commands = [os.path.relpath(layout.commands / name, layout.root) for name in COMMANDS]
    before = read_placed(layout)
    wanted = (*units, *commands)
    folders = (*before.folders, *(one for one in _absent_folders(layout, wanted) if one not in before.folders))
    _note(layout, Placed((*before.files, *(path for path in wanted if path not in before.files)), folders))
    for path, file in units.items():
        _ready(layout.root / path)
        write_whole(layout.root / path, file.read_bytes())
    for name in COMMANDS:
        _ready(layout.commands / name)
        point(layout.commands / name, layout.current / "venv/bin" / name)
    for path in set(before.files) - set(wanted):
        (layout.root / path).unlink(missing_ok=True)
    now = Placed(wanted, folders)
    _note(layout, now)
    return now


def take_away(layout: Layout) -> None:
    """Remove all that was placed, and folders that were made for it and are empty."""
    placed = read_placed(layout)
    for path in placed.files:
        (layout.root / path).unlink(missing_ok=True)
        scratch_of(layout.root / path).unlink(missing_ok=True)
    for folder in reversed(placed.folders):
        with contextlib.suppress(OSError):  # somebody else's files are in it by now, or it is gone
            (layout.root / folder).rmdir()


def read_placed(layout: Layout) -> Placed:
    """What was placed; nothing where nothing was."""
    try:
        told = json.loads(layout.placed.read_bytes())
    except FileNotFoundError:
        return Placed()
    return Placed(tuple(told["files"]), tuple(told["folders"]))


def _note(layout: Layout, placed: Placed) -> None:
    write_whole(layout.placed, json.dumps({"files": placed.files, "folders": placed.folders}, indent=1).encode())


def _absent_folders(layout: Layout, paths: tuple[str, ...]) -> list[str]:
    """Folders under the root that are yet to be made, outer ones first."""
    parents = {str(parent) for path in paths for parent in Path(path).parents if str(parent) != "."}
    return sorted(folder for folder in parents if not (layout.root / folder).is_dir())


def _ready(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
