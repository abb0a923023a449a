"""What a wheel says of itself, and whether a set of wheels is whole: everything that one of them asks for is there."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError, missing

from ..targets import Target

BLOCK = 4096  # bytes that a file takes on disk are a multiple of it
LICENCE = re.compile(r"(licen[sc]e|copying|notice|authors|third.?party).*(?<!\.py)(?<!\.pyc)", re.IGNORECASE)
SAID = "License :: "  # classifiers of licences begin so
LONG = 100  # letters of a licence's name; what is longer is its text


@dataclass(frozen=True)
class Packed:
    """One wheel on this disk."""

    path: Path
    name: str  # normalised
    version: str
    licence: str  # as declared, or ""
    spdx: bool  # whether that is an SPDX expression
    requires: tuple[str, ...]  # requirements, with markers
    bytes_installed: int  # about: blocks on disk, with what Python compiles
    licences: Mapping[str, bytes]  # texts by their path in the wheel


@dataclass(frozen=True)
class Need:
    """One wheel asks for another."""

    by: str
    name: str


def read_wheel(path: Path, file: str) -> Packed:
    """What the wheel says of itself; `file` is its proper name, whatever it is called in a cache.

    Raises MineHatError where it is no wheel.
    """
    packaging = _packaging()
    try:
        with zipfile.ZipFile(path) as wheel:
            entries = [entry for entry in wheel.infolist() if not entry.is_dir()]
            name, version = packaging.utils.parse_wheel_filename(file)[:2]
            about = next(one for one in entries if re.fullmatch(r"[^/]+\.dist-info/METADATA", one.filename))
            said = BytesParser().parsebytes(wheel.read(about), headersonly=True)
            texts = {one.filename: wheel.read(one) for one in entries if LICENCE.fullmatch(one.filename.split("/")[-1])}
    except (StopIteration, OSError, ValueError, zipfile.BadZipFile) as exc:
        raise MineHatError(f"{path} is no wheel ({exc or 'no METADATA'}). Delete it and run this again.") from exc
    return Packed(path, str(name), str(version), _licence(said), bool(said["License-Expression"]),
                  tuple(said.get_all("Requires-Dist") or ()), _room(entries), texts)


def needs(wheels: Sequence[Packed], target: Target) -> tuple[Need, ...]:
    """Who asks for whom on the target, from minehat's own extras on. Raises MineHatError where one is not there."""
    packaging, by_name = _packaging(), {one.name: one for one in wheels}
    machine = _machine(target)
    found: list[Need] = []
    seen: set[tuple[str, str]] = set()
    todo = [("minehat", extra) for extra in ("", *target.extras)]
    for want in target.wants:
        asked = packaging.requirements.Requirement(want)
        _held(asked, "the target", by_name)
        todo.append((packaging.utils.canonicalize_name(asked.name), ""))
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for asked in _asked(by_name[name], extra, machine):
            other = _held(asked, name, by_name)
            if other != name:
                found.append(Need(name, other))
            todo += [(other, part) for part in ("", *asked.extras)]
    return tuple(sorted(set(found), key=lambda need: (need.by, need.name)))


def _asked(wheel: Packed, extra: str, machine: Mapping[str, str]) -> Iterator[Any]:
    """Requirements of the wheel that count on the machine for one of its extras, "" for none."""
    for text in wheel.requires:
        asked = _packaging().requirements.Requirement(text)
        if asked.marker is None or asked.marker.evaluate({**machine, "extra": extra}):
            yield asked


def _held(asked: Any, by: str, by_name: Mapping[str, Packed]) -> str:
    """The name of the wheel that answers a requirement."""
    name = str(_packaging().utils.canonicalize_name(asked.name))
    if name not in by_name:
        raise MineHatError(f"the bundle would not be whole: {by} asks for {asked}, and there is no wheel of it. "
                           "Run this again; if it stays so, look at berth/targets.py.")
    if not asked.specifier.contains(by_name[name].version, prereleases=True):
        raise MineHatError(f"the bundle would not be whole: {by} asks for {asked}, and the wheel is "
                           f"{by_name[name].version}. Run this again; if it stays so, look at berth/targets.py.")
    return name


def _machine(target: Target) -> dict[str, str]:
    """Markers of the target, as PEP 508 names them."""
    return {"python_version": target.python, "python_full_version": f"{target.python}.0",
            "implementation_version": f"{target.python}.0", "implementation_name": "cpython",
            "platform_python_implementation": "CPython", "platform_machine": target.arch, "platform_system": "Linux",
            "sys_platform": "linux", "os_name": "posix", "platform_release": "", "platform_version": ""}


def _licence(said: Message) -> str:
    """What the wheel declares: an SPDX expression, a name, or what its classifiers say; "" where it declares none."""
    if said["License-Expression"]:
        return str(said["License-Expression"]).strip()
    short = " ".join(str(said["License"] or "").split())
    if short and len(short) <= LONG and short.upper() != "UNKNOWN":
        return short
    names = [str(one).rpartition(" :: ")[2] for one in said.get_all("Classifier") or () if str(one).startswith(SAID)]
    return ", ".join(names)


def _room(entries: Sequence[zipfile.ZipInfo]) -> int:
    """Bytes on disk, about: every file takes whole blocks, and Python compiles its sources to about their size."""
    sizes = [entry.file_size for entry in entries]
    sizes += [entry.file_size for entry in entries if entry.filename.endswith(".py")]
    return sum(-(-size // BLOCK) * BLOCK for size in sizes)


def _packaging() -> Any:
    try:
        import packaging.requirements
        import packaging.utils
    except ModuleNotFoundError as exc:
        raise missing("The package packaging", "read wheels", "`pip install packaging`.") from exc
    return packaging
