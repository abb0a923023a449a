"""What this box is, held against what a release wants."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Refused
from ..manifest import Release

MARGIN = 32 << 20  # bytes that stay free beside a release


@dataclass(frozen=True)
class Box:
    """Facts of the machine and of the Python that installs and will run the release."""

    arch: str  # as uname -m says it
    python: str  # such as 3.10
    glibc: str | None  # such as 2.35; None where the C library is another one


def this_box() -> Box:
    """The one we run on."""
    machine = os.uname().machine
    wide = struct.calcsize("P") == 8
    return Box(arch=machine if wide else f"{machine} with a 32-bit Python",
               python="{}.{}".format(*sys.version_info[:2]), glibc=_glibc())


def hold_against(box: Box, release: Release) -> None:
    """Raises Refused where the release cannot run here, one line with all that differs."""
    libc = f"glibc {box.glibc}" if box.glibc else "another C library"
    wants = ((box.arch == release.arch, f"{release.arch} processors", f"this one is {box.arch}"),
             (box.python == release.python, f"Python {release.python}", f"this is Python {box.python}"),
             (box.glibc is not None and _number(box.glibc) >= _number(release.glibc),
              f"glibc {release.glibc} or later", f"here is {libc}"))
    wrong = [f"it is for {wanted}, and {found}" for well, wanted, found in wants if not well]
    if wrong:
        raise Refused(f"this bundle ({release.target}) does not fit: {'; '.join(wrong)}. "
                      "Take the bundle that was made for this box.")


def hold_room(free: int, needed: int, where: str) -> None:
    """Raises Refused where the release does not fit on the disk. Bytes."""
    if free < needed + MARGIN:
        raise Refused(f"{where} has {_mb(free)} MB free, and {_mb(needed + MARGIN)} MB are wanted. "
                      f"Free {_mb(needed + MARGIN - free)} MB or more there, then type the same again.")


def _glibc() -> str | None:
    confstr: Callable[[str], str | None] = os.confstr
    try:
        library, _, version = (confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    return version if library == "glibc" else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _mb(count: int) -> int:
    return -(-count // 1_000_000)
