"""MANIFEST.json: what a bundle or an update is, and the length and SHA-256 of every file in it.

It is signed, so it is read after its signature was verified; and still nothing in it is believed before it was looked
at: a path that leads out of the folder, a name twice, a number that is none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import Refused

FORMAT = 1
NAME, SIGNATURE, SIGNER = "MANIFEST.json", "MANIFEST.sig", "signer.pem"
UNLISTED = frozenset({NAME, SIGNATURE, SIGNER})  # a manifest cannot hold its own hash
LARGEST = 16_000_000  # bytes of a manifest; that of a release has some 20 kB
MOST_FILES = 20_000
PIECE = 1 << 20  # bytes read at once
KINDS = ("release", "update")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")  # names, versions and builds: they become names of files
SHA256 = re.compile(r"[0-9a-f]{64}")
OWN = ("format", "kind", "name", "version", "build", "files")
AGAIN = "Get it again, whole, from whom you trust."


@dataclass(frozen=True)
class Listed:
    """One file of a bundle."""

    sha256: str  # 64 hexadecimal digits, small letters
    bytes: int


@dataclass(frozen=True)
class Wheel:
    """One wheel of a release."""

    name: str  # normalised: small letters, dashes
    version: str
    file: str  # path in the bundle
    unless: str | None  # a module: where the system's Python imports it already, the wheel stays out


@dataclass(frozen=True)
class Manifest:
    """What every manifest says. Paths are relative to the folder that it lies in, with `/` between their parts."""

    kind: str  # one of KINDS
    name: str
    version: str
    build: str
    files: Mapping[str, Listed]
    more: Mapping[str, Any] = field(default_factory=dict)  # what else a kind says, JSON values


@dataclass(frozen=True)
class Release:
    """What the manifest of a release says besides."""

    target: str
    python: str  # such as 3.10
    arch: str  # as uname -m says it
    glibc: str  # the oldest one that the wheels run on, such as 2.35
    bytes_installed: int  # on disk, about
    wheels: tuple[Wheel, ...]  # in the order of their names


def to_bytes(manifest: Manifest) -> bytes:
    """MANIFEST.json: the same manifest, the same bytes."""
    own = {"format": FORMAT, "kind": manifest.kind, "name": manifest.name, "version": manifest.version,
           "build": manifest.build}
    files = {path: {"sha256": one.sha256, "bytes": one.bytes} for path, one in sorted(manifest.files.items())}
    return (json.dumps({**own, **manifest.more, "files": files}, indent=1, ensure_ascii=False) + "\n").encode()


def from_bytes(raw: bytes) -> Manifest:
    """The manifest that the bytes hold. Raises Refused where anything in it is not as it must be."""
    tree = _tree(raw)
    _want(tree.get("format") == FORMAT, f"format {tree.get('format')!r}, and this knows {FORMAT}")
    _want(tree.get("kind") in KINDS, f"kind {tree.get('kind')!r}, and this knows {' and '.join(KINDS)}")
    files: Any = tree.get("files")
    _want(isinstance(files, dict) and 0 < len(files) <= MOST_FILES, "no list of files, or too long a one")
    listed = {_sound_path(path): _listed(path, about) for path, about in files.items()}
    more = {key: value for key, value in tree.items() if key not in OWN}
    return Manifest(tree["kind"], _word(tree, "name"), _word(tree, "version"), _word(tree, "build"), listed, more)


def read(folder: Path) -> Manifest:
    """The manifest of an unpacked bundle; it says nothing of the files yet. Raises Refused."""
    path = folder / NAME
    try:
        with open(path, "rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as exc:
        raise Refused(f"{path} cannot be read: {exc.strerror}. Is {folder} an unpacked bundle?") from exc
    return from_bytes(raw)


def release_of(manifest: Manifest) -> Release:
    """What a manifest of kind "release" says besides. Raises Refused where it is another one, or not sound."""
    more = manifest.more
    _want(manifest.kind == "release", f"kind {manifest.kind!r} where a release was wanted")
    python, glibc = more.get("python"), more.get("glibc")
    for key, value in (("python", python), ("glibc", glibc)):
        _want(isinstance(value, str) and re.fullmatch(r"\d+\.\d+", value), f"{key} {value!r}")
    room: Any = more.get("bytes_installed")
    _want(_whole(room), f"bytes_installed {room!r}")
    wheels: Any = more.get("wheels")
    _want(isinstance(wheels, list) and wheels, "no list of wheels")
    return Release(_word(more, "target"), str(python), _word(more, "arch"), str(glibc), room,
                   tuple(_wheel(one, manifest.files) for one in wheels))


def hashed(folder: Path) -> dict[str, Listed]:
    """Every file under a folder, as a manifest lists it. Raises Refused for a link or a device among them."""
    return {_sound_path(path): Listed(*_digest(folder / path)) for path in _paths(folder) if path not in UNLISTED}


def verify(folder: Path, manifest: Manifest, each: Callable[[str, int], None] | None = None) -> None:
    """Return when the folder holds exactly the files that are listed, whole and unchanged.

    Each file's path and bytes are handed to `each` once it is found well. Raises Refused for the first one that is
    absent, shorter, longer, changed, a link, or not listed; what Python compiles (__pycache__) is not listed either:
    code of a bundle is run from it with `python3 -I -B`.
    """
    found = set(_paths(folder)) - UNLISTED
    for path in sorted(manifest.files.keys() - found):
        raise Refused(f"{folder / path} is missing: the copy is not whole. {AGAIN}")
    for path in sorted(found - manifest.files.keys()):
        raise Refused(f"{folder / path} is not listed in {NAME}: somebody put it there. {AGAIN}")
    for path, listed in manifest.files.items():
        check(folder, path, listed)
        if each:
            each(path, listed.bytes)


def check(folder: Path, path: str, listed: Listed) -> None:
    """Return when the one file is whole and unchanged; raises Refused otherwise."""
    digest, length = _digest(folder / path)
    if length != listed.bytes:
        raise Refused(f"{folder / path} has {length} bytes, not {listed.bytes}: the copy is not whole. {AGAIN}")
    if digest != listed.sha256:
        raise Refused(f"{folder / path} is not the file that {NAME} lists: it was changed. {AGAIN}")


def _tree(raw: bytes) -> dict[str, Any]:
    _want(len(raw) <= LARGEST, f"more than {LARGEST} bytes")
    try:
        tree = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:
        raise Refused(f"{NAME} is no JSON ({exc}). {AGAIN}") from exc
    _want(isinstance(tree, dict), "no JSON object")
    return dict(tree)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a name twice")
    return tree


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _listed(path: str, about: Any) -> Listed:
    _want(isinstance(about, dict) and about.keys() == {"sha256", "bytes"}, f"file {path!r} without hash or length")
    digest, length = about["sha256"], about["bytes"]
    _want(isinstance(digest, str) and SHA256.fullmatch(digest), f"hash {digest!r} of {path!r}")
    _want(_whole(length), f"length {length!r} of {path!r}")
    return Listed(digest, length)


def _wheel(about: Any, files: Mapping[str, Listed]) -> Wheel:
    _want(isinstance(about, dict) and about.keys() == {"name", "version", "file", "unless"}, f"wheel {about!r}")
    file, unless = about["file"], about["unless"]
    _want(isinstance(file, str) and file in files, f"wheel {file!r}, which is not among its files")
    _want(unless is None or (isinstance(unless, str) and unless.isidentifier()), f"unless {unless!r} of {file}")
    return Wheel(_word(about, "name"), _word(about, "version"), file, unless)


def _word(tree: Mapping[str, Any], key: str) -> str:
    value = tree.get(key)
    _want(isinstance(value, str) and WORD.fullmatch(value), f"{key} {value!r}")
    return str(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sound_path(path: str) -> str:
    """The path, when it leads to a file inside the folder and nowhere else."""
    parts = path.split("/")
    well = (path.isprintable() and "\\" not in path and all(part not in ("", ".", "..") for part in parts)
            and path not in UNLISTED)
    _want(well, f"path {path!r}")
    return path


def _paths(folder: Path) -> Iterator[str]:
    """Relative paths of all files under a folder. Raises Refused for what is neither a file nor a folder."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from (f"{entry.name}/{path}" for path in _paths(Path(entry.path)))
            elif stat.S_ISREG(mode):
                yield entry.name
            else:
                raise Refused(f"{entry.path} is neither a file nor a folder; a bundle holds no links. {AGAIN}")
    except OSError as exc:
        raise Refused(f"{folder} cannot be read: {exc.strerror}. {AGAIN}") from exc


def _digest(path: Path) -> tuple[str, int]:
    """SHA-256, hexadecimal, and length of a file."""
    digest, length = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                length += len(piece)
    except OSError as exc:
        raise Refused(f"{path} cannot be read: {exc.strerror}. {AGAIN}") from exc
    return digest.hexdigest(), length


def _want(well: Any, found: str) -> None:
    if not well:
        raise Refused(f"{NAME} is not sound: {found}. {AGAIN}")
