"""Where a YOLO set keeps things: data.yaml, the pictures of a split, the names of the classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import missing
from ..pictures import SUFFIXES
from .faults import Fault, OnFault
from .splits import called
from .texts import lines_of

YAML = (".yaml", ".yml")
NAME_FILES = ("classes.txt", "obj.names", "labels/classes.txt")
Listed = tuple[Path, Path, str]  # a picture, what lists it, and how a person finds it there


@dataclass(frozen=True)
class Layout:
    """A set's folder and what its data.yaml says; nothing where it has none."""

    root: Path
    file: Path | None
    settings: Mapping[str, Any]  # text, and lists and dicts of text

    def names(self, on_fault: OnFault) -> dict[int, str]:
        """Class names by index: those of data.yaml, or else the lines of classes.txt or obj.names."""
        if self.file and "names" in self.settings:
            return _names(self.settings["names"], self.file, on_fault)
        found = next(filter(Path.is_file, (self.root / name for name in NAME_FILES)), None)
        lines = lines_of(found, "unreadable list", on_fault) if found else None
        return {number - 1: line for number, line in lines or ()}

    def places(self, split: str) -> list[str]:
        """What data.yaml says of where the split lies: folders and lists."""
        told: Any = next(filter(None, map(self.settings.get, called(split))), [])
        texts = told if isinstance(told, list) else [told]
        return [str(text).replace("\\", "/") for text in texts if text]

    def folder(self, split: str) -> Path | None:
        """The folder or list of the split where data.yaml tells none."""
        tried = (self.root / part for name in called(split)
                 for part in (f"images/{name}", f"{name}/images", name, f"{name}.txt"))
        return next(filter(Path.exists, tried), None)

    def pictures(self, split: str, on_fault: OnFault) -> Iterator[Listed]:
        """The pictures of the split. What data.yaml names and is not there is told."""
        texts = self.places(split)
        if not texts:
            found = self.folder(split)
            yield from self._in(found, on_fault) if found else ()
        for text in texts:
            place = self.placed(text, self.root)
            if place.exists():
                yield from self._in(place, on_fault)
            else:
                on_fault(Fault("unreadable list", self.file or self.root, f"{split}: {text} is not there; looked for "
                               f"as {place}"))

    def placed(self, text: str, base: Path) -> Path:
        """The path that a text means: below `base`, below data.yaml's `path` or the set's folder, or, where there is
        none, the same without its first part, which some exporters make up (../ or data/)."""
        told = self.settings.get("path")
        bases = [base, *([self.root / told] if isinstance(told, str) and told else []), self.root]
        parts = PurePosixPath(text).parts
        tried = [one.joinpath(*some) for some in (parts, parts[1:]) if some or not parts for one in bases]
        return next(filter(os.path.exists, tried), tried[0])

    def _in(self, place: Path, on_fault: OnFault) -> Iterator[Listed]:
        if place.is_dir():
            yield from ((path, place, "the folder") for path in sorted(place.rglob("*"))
                        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
            return
        for number, line in lines_of(place, "unreadable list", on_fault) or ():
            yield self.placed(line.replace("\\", "/"), place.parent), place, f"line {number}"


def yaml_of(place: Path) -> Path | None:
    """The place itself, its data.yaml, or the only YAML file that lies in it."""
    if place.suffix.lower() in YAML and place.is_file():
        return place
    found = sorted(path for path in place.glob("*") if path.suffix.lower() in YAML and path.is_file())
    named = [path for path in found if path.stem in ("data", "dataset")]
    return next(iter(named or (found if len(found) == 1 else [])), None)


def layout_of(place: Path, on_fault: OnFault) -> Layout | None:
    """The layout of a set; None, and a fault told, where its data.yaml is of no use."""
    file = yaml_of(place)
    if file is None:
        return Layout(place, None, {})
    settings = _read_yaml(file, on_fault)
    return None if settings is None else Layout(file.parent, file, settings)


def _read_yaml(file: Path, on_fault: OnFault) -> Mapping[str, Any] | None:
    yaml = _load_yaml()
    try:
        # BaseLoader makes text of everything: a class may be called no, and nothing but text can come of a file
        content = yaml.load(file.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)
        if not isinstance(content, dict):
            raise ValueError("it holds no `names:`, `train:` and so on")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as exc:
        on_fault(Fault("unreadable list", file, f"cannot be read as YAML ({exc})"))
        return None
    return content


def _names(value: Any, file: Path, on_fault: OnFault) -> dict[int, str]:
    pairs: Sequence[tuple[Any, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
    names = {int(key): name.strip() for key, name in pairs if isinstance(name, str) and _is_index(key)}
    if isinstance(value, str) or len(names) != len(pairs):
        on_fault(Fault("unreadable list", file, "names must be a list, or a name for each number from 0 on"))
        return {}
    return names


def _is_index(key: Any) -> bool:
    return isinstance(key, int) or (isinstance(key, str) and key.isascii() and key.isdecimal())


def _load_yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as exc:
        raise missing("PyYAML", "read data.yaml", "`pip install pyyaml`.") from exc
    return yaml
