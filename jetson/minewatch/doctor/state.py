"""The folder of events: room, and whose it is."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from minehat.doctor import FAULT, NOTE, Finding
from minehat.doctor.disk import room

from ..events.disk import is_read_only

LOST = "No event is kept on a full disk but in memory"


def state(root: Path, folder: Path, user: str = "") -> Iterator[Finding]:
    """root: the folder that stands for `/`; `folder` as the configuration names it. user: the service's, if any."""
    folder = below(root, folder)
    there = next((one for one in (folder, *folder.parents) if one.exists()), root)
    if not there.is_dir():
        yield Finding("state", FAULT, f"{there} is a file, not a folder", "Events have no place", "Name another folder")
        return
    yield from room(there, "state", LOST)
    if there != folder:
        yield Finding("state", NOTE, f"{folder} is not there yet", "", "The watch makes it as it starts")
    elif os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield Finding("state", FAULT, f"the disk of {folder} cannot be written to (read-only)", "No event is kept",
                      "Look at it: `sudo dmesg | grep -i -e ext4 -e nvme -e mmc`, then `sudo mount -o remount,rw` it")
    elif os.geteuid() and is_read_only(folder):
        yield Finding("state", NOTE, f"{folder} is closed to this user", "", "Look again with sudo")
    elif closed := next((path for path in (folder, *sorted(folder.iterdir())) if closed_to(user, path)), None):
        yield Finding("state", FAULT, f"{closed} belongs to somebody else than {user}", "The service cannot write it",
                      f"`sudo chown -R {user}: {folder}`")


def below(root: Path, path: Path) -> Path:
    """Where a path of another machine's lies here."""
    return path if root == Path("/") or path.is_relative_to(root) else root / str(path).lstrip("/")


def closed_to(user: str, path: Path) -> bool:
    """Whether the path belongs neither to this user nor to their group. False where nobody is so called.

    Rights for all others are not counted: what is the service's is not everybody's.
    """
    try:
        found, known = path.stat(), pwd.getpwnam(user)
    except (KeyError, OSError):
        return False
    return found.st_uid != known.pw_uid and found.st_gid != known.pw_gid


def is_known(user: str) -> bool:
    """Whether this machine has a user of that name."""
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False
