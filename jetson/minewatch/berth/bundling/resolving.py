"""Which wheels a target needs, by uv: it evaluates markers and tags for another machine than this one."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from minehat.errors import MineHatError, missing

from ..targets import Target

SECONDS = 600.0  # that resolving may take
INVITE_UV = "`pip install uv`."


@dataclass(frozen=True)
class Wanted:
    """A wheel that is to be fetched."""

    name: str  # normalised
    version: str
    file: str  # its file name
    url: str
    sha256: str  # hexadecimal
    bytes: int


def resolve(project: Path, target: Target) -> tuple[Wanted, ...]:
    """The wheels that `project` (a pyproject.toml) needs on the target, without its own; in the order of their names.

    Raises MineHatError where uv is missing, the package index does not answer, or no wheels fit.
    """
    with tempfile.TemporaryDirectory(prefix="minehat-resolve-") as folder:
        wants, lock = Path(folder) / "wants.in", Path(folder) / "pylock.toml"
        wants.write_text("\n".join(target.wants) + "\n", encoding="utf-8")
        extras = [part for extra in target.extras for part in ("--extra", extra)]
        _uv(folder, target, "pip", "compile", str(project.resolve()), str(wants), *extras,
            "--python-platform", target.platform, "--python-version", target.python,
            "--only-binary", ":all:", "--no-python-downloads", "--quiet", "--no-header",
            "--format", "pylock.toml", "--output-file", str(lock))
        return wanted_of(lock.read_text(encoding="utf-8"), target)


def wanted_of(lock: str, target: Target) -> tuple[Wanted, ...]:
    """The wheels of a pylock.toml, of each package the one that pip on the target would take."""
    packages = _toml(lock).get("packages", [])
    return tuple(_best(package, target) for package in sorted(packages, key=lambda one: str(one["name"])))


def tags_of(target: Target) -> list[Any]:
    """Tags of the wheels that run on the target, the best first, as `packaging` knows them."""
    try:
        from packaging import tags
    except ModuleNotFoundError as exc:
        raise missing("The package packaging", "choose wheels", "`pip install packaging`.") from exc
    major, minor = (int(part) for part in target.python.split("."))
    platforms = list(_platforms(target))
    return [*tags.cpython_tags((major, minor), platforms=platforms),
            *tags.compatible_tags((major, minor), f"cp{major}{minor}", platforms)]


def _platforms(target: Target) -> Iterable[str]:
    """Platforms of wheels that run there, the newest glibc first."""
    legacy = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    oldest = 17 if target.arch == "aarch64" else 5
    for minor in range(int(target.glibc.partition(".")[2]), oldest - 1, -1):
        yield f"manylinux_2_{minor}_{target.arch}"
        if minor in legacy:
            yield f"{legacy[minor]}_{target.arch}"
    yield f"linux_{target.arch}"


def _best(package: dict[str, Any], target: Target) -> Wanted:
    from packaging.utils import parse_wheel_filename
    rank = {tag: place for place, tag in enumerate(tags_of(target))}
    fitting = []
    for wheel in package.get("wheels", ()):
        if not {"url", "hashes", "size"} <= wheel.keys() or "sha256" not in wheel["hashes"]:
            raise MineHatError(f"the package index tells no address, SHA-256 or size of {package['name']}. Take one "
                               "that does: UV_DEFAULT_INDEX.")
        file = wheel.get("name") or unquote(urlsplit(wheel["url"]).path.rpartition("/")[2])
        places = [rank[tag] for tag in parse_wheel_filename(file)[3] if tag in rank]
        if places:
            fitting.append((min(places), file, wheel))
    if not fitting:
        raise MineHatError(f"{package['name']} {package.get('version')} has no wheel for Python {target.python} on "
                           f"{target.platform}. Name another Python with --python.")
    _, file, wheel = min(fitting, key=lambda one: one[:2])
    return Wanted(package["name"], package["version"], file, wheel["url"], wheel["hashes"]["sha256"], wheel["size"])


def _toml(text: str) -> dict[str, Any]:
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        library = importlib.import_module(name)
    except ModuleNotFoundError as exc:
        raise missing(f"The package {name}", "read what was resolved", f"`pip install {name}`.") from exc
    return dict(library.loads(text))


def _uv(folder: str, target: Target, *arguments: str) -> None:
    try:
        ran = subprocess.run([_found_uv(), *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                             text=True, encoding="utf-8", errors="replace", timeout=SECONDS,
                             env={**os.environ, "NO_COLOR": "1", "COLUMNS": "10000"})  # no line of it is cut in two
    except subprocess.TimeoutExpired as exc:
        raise MineHatError(f"uv did not resolve {target.name} within {SECONDS:.0f} s. Look at the network, and run "
                           "this again: what it has learnt is kept.") from exc
    if ran.returncode:
        raise _refusal(target, ran.stderr)


def _refusal(target: Target, said: str) -> MineHatError:
    lines = [line.strip().removeprefix("error: ").removeprefix("cause: ") for line in said.splitlines()
             if line.strip() and not line.startswith(("warning:", "hint:"))] or ["it said nothing"]
    if any(line.startswith("No solution found") for line in lines):
        return MineHatError(f"no set of wheels fits {target.name} (Python {target.python}, {target.platform}): "
                            f"{lines[-1]} Name another Python with --python, or look at its row in berth/targets.py.")
    if any("fetch" in line or "client error" in line or "sending request" in line for line in lines):
        return MineHatError(f"the package index does not answer ({lines[0]}: {lines[-1]}). A bundle is made on a "
                            "machine with a network; behind a proxy set HTTPS_PROXY, for an index of your own "
                            "UV_DEFAULT_INDEX.")
    return MineHatError(f"uv failed: {': '.join(lines)[:600]}. Try a newer one: `pip install -U uv`.")


def _found_uv() -> str:
    """Path of the uv beside this Python, or the one on the PATH."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    if found is None:
        raise missing("uv", "resolve wheels for another machine", INVITE_UV)
    return found
