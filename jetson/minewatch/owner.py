"""What root does in a folder of somebody else's, with no more rights than theirs.

The folders of configuration and events belong to the watch's user. What is behind their names is that user's to say: a
link laid there would lead root's hand, or root's eye, to any file of the box.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minehat.errors import MineHatError


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Inside, root acts as the user whom the folder belongs to; for all others, and where none is, nothing changes.

    It holds for the whole process, all its threads. Raises MineHatError where root here may not become that user.
    """
    user, group = _owner(folder)
    if os.geteuid() != 0 or user == 0:
        yield
        return
    own = os.getegid(), os.getgroups()
    try:
        os.setgroups(_groups(user, group))
        os.setegid(group)
        os.seteuid(user)
    except OSError as exc:
        raise MineHatError(f"{folder} belongs to user {user}, whom this root may not become: {exc.strerror}. Type it "
                           "as that user.") from exc
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(own[0])
        os.setgroups(own[1])


@contextmanager
def as_root_again() -> Iterator[None]:
    """Inside, what `as_owner_of` took away is back, for what a person at the terminal has named."""
    user = os.geteuid()
    if os.getresuid()[2] != 0 or user == 0:
        yield
        return
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(user)


def _owner(folder: Path) -> tuple[int, int]:
    try:
        found = folder.stat()
    except OSError:  # it is yet to be made, by us
        return 0, 0
    return found.st_uid, found.st_gid


def _groups(user: int, group: int) -> list[int]:
    try:
        return os.getgrouplist(pwd.getpwuid(user).pw_name, group)
    except KeyError:
        return [group]
