"""What is installed: Debian's packages of a tree, Python's of this environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

from ..telemetry.sysfs import text

BY_VERSION = ("cuda-bindings", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime")  # whose version is CUDA's
AHEAD = "tensorrt-rtx"  # builds engines for other machines, too


def debian(root: Path) -> dict[str, str]:
    """Versions by name. root: the folder that stands for `/`."""
    found = {}
    for entry in (text(root / "var/lib/dpkg/status") or "").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", entry, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            found[fields["Package"]] = fields.get("Version", "")
    return found


def installed() -> dict[str, str]:
    """Versions by name, in small letters with - for _, of the Python packages that this process sees."""
    return {re.sub(r"[-_.]+", "-", one.name).lower(): one.version for one in distributions() if one.name}


def numbers(version: str) -> tuple[int, ...]:
    """10.3.0.30-1+cuda12.5 -> (10, 3, 0, 30)"""
    leading = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, leading[0].split("."))) if leading else ()


def numbers_of(version: str) -> str:
    """12.6.68-1 -> 12.6.68"""
    return ".".join(map(str, numbers(version)))


def cuda_wanted(python: Mapping[str, str], system: Mapping[str, str]) -> dict[int, str]:
    """Major versions of CUDA that installed libraries were made for, and one library of each."""
    told: dict[int, str] = {}
    for name, version in python.items():
        major = _cuda_of(name, version)
        if major:
            told[major] = f"{name} {version}"
    for name, version in system.items():
        if found := re.match(r"cuda-cudart-(\d+)-\d+$", name):
            told[int(found[1])] = f"{name} {version}"
    return told


def _cuda_of(name: str, version: str) -> int | None:
    """CUDA's major version by a package's name and version; None where it has nothing to do with CUDA."""
    if name.startswith(AHEAD):
        return None
    if found := re.search(r"-cu(1\d)(-|$)", name):
        return int(found[1])
    return numbers(version)[0] if name in BY_VERSION else None
