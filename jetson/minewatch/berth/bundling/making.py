"""One bundle, from what a target wants to a signed tar: resolve, fetch, look whether it is whole, list, sign, pack."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from minehat.progress import say

from ..manifest import Listed, Manifest
from ..targets import Target
from .contents import own_wheel, taken
from .fetching import fetch
from .packing import Content, listed, pack
from .papers import licences, sbom
from .resolving import Wanted, resolve
from .wheels import BLOCK, Packed, needs, read_wheel

STAMP = "%Y%m%dT%H%M%SZ"
ENVIRONMENT = 1_000_000  # bytes of an empty Python environment, about


@dataclass(frozen=True)
class Made:
    """A bundle on this disk."""

    path: Path
    bytes: int
    wheels: tuple[Packed, ...]
    bytes_installed: int


def make_bundle(checkout: Path, target: Target, out: Path, key: Path | None, cache: Path, now: datetime) -> Made:
    """Write OUT/minehat-VERSION-TARGET-BUILD.tar; BUILD is `now`, which must know its zone. Whole, or not there.

    key: private; None leaves it unsigned. Raises MineHatError or Refused.
    """
    when = now.astimezone(timezone.utc).replace(microsecond=0)
    files = taken(checkout)
    say(f"resolving for {target.name}: Python {target.python}, {target.platform}")
    wanted = resolve(checkout / "pyproject.toml", target)
    say(f"{len(wanted)} wheels, {megabytes(wanted)} MB")
    with tempfile.TemporaryDirectory(prefix="minehat-wheel-") as scratch:
        own = own_wheel(checkout, Path(scratch))
        places = {**fetch(wanted, cache), own.name: own}
        return _packed(target, out, key, when, files, _read(places))


def megabytes(wanted: Sequence[Wanted]) -> int:
    """What is to be fetched where nothing is in the cache, in MB."""
    return round(sum(one.bytes for one in wanted) / 1e6)


def _read(places: Mapping[str, Path]) -> dict[str, Packed]:
    """Proper file name -> the wheel, in the order of their names."""
    wheels = {file: read_wheel(path, file) for file, path in places.items()}
    return dict(sorted(wheels.items(), key=lambda one: one[1].name))


def _packed(target: Target, out: Path, key: Path | None, when: datetime, files: Mapping[str, bytes],
            wheels: Mapping[str, Packed]) -> Made:
    all_wheels = tuple(wheels.values())
    asked = needs(all_wheels, target)
    version = next(one.version for one in all_wheels if one.name == "minehat")
    contents: dict[str, Content] = {**files, **licences(all_wheels)}
    contents.update({f"wheels/{file}": one.path for file, one in wheels.items()})
    said = listed(contents)
    contents["sbom.cdx.json"] = sbom(version, when.isoformat().replace("+00:00", "Z"), wheels, asked, said)
    said |= listed({"sbom.cdx.json": contents["sbom.cdx.json"]})
    manifest = _manifest(target, version, when, wheels, said)
    top = f"minehat-{version}-{target.name}"
    path = out / f"{top}-{manifest.build}.tar"
    say(f"packing {len(said)} files into {path}")
    pack(path, top, manifest, contents, key, int(when.timestamp()))
    return Made(path, path.stat().st_size, all_wheels, manifest.more["bytes_installed"])


def _manifest(target: Target, version: str, when: datetime, wheels: Mapping[str, Packed],
              files: Mapping[str, Listed]) -> Manifest:
    unless = dict(target.unless)
    rows = [{"name": one.name, "version": one.version, "file": f"wheels/{file}", "unless": unless.get(one.name)}
            for file, one in wheels.items()]
    more = {"target": target.name, "python": target.python, "arch": target.arch, "glibc": target.glibc,
            "bytes_installed": _room(wheels, files), "wheels": rows}
    return Manifest("release", "minehat", version, when.strftime(STAMP), files, more)


def _room(wheels: Mapping[str, Packed], files: Mapping[str, Listed]) -> int:
    """Bytes on disk, about: what the wheels unpack to, and the other files as they are."""
    others = [one.bytes for path, one in files.items() if not path.startswith("wheels/")]
    return ENVIRONMENT + sum(one.bytes_installed for one in wheels.values()) + sum(-(-size // BLOCK) * BLOCK
                                                                                   for size in others)
