"""Whose bundles are installed: the key that was pinned at the first installation, or the one that is pinned now."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .. import signing
from ..errors import Refused
from ..manifest import SIGNER
from .disk import write_whole
from .layout import Layout


@dataclass(frozen=True)
class Trust:
    """The key that a bundle must be signed with."""

    key: Path  # a public key
    pem: bytes  # what that file held when it was looked at
    pin: bool  # whether it is to be pinned, since nothing or another key is


def trusted(layout: Layout, bundle: Path, key: Path | None, accepted: str | None) -> Trust:
    """The key to verify with. A pinned one holds until another is named by `key`, a file.

    `accepted` is a fingerprint that somebody compared. Where nothing is pinned, and neither is given, the bundle's
    own fingerprint is shown and a person asked. Raises Refused where nobody can be, or says no.
    """
    if key is not None:
        pem = signing.read_key(key)
        return Trust(key, pem, _read(layout) != (os.geteuid(), pem))
    there = _pinned(layout)
    if there is not None:
        return Trust(layout.trusted, there, False)
    signer = bundle / SIGNER
    pem = signing.read_key(signer)
    shown = signing.fingerprint_of(pem, signer)
    if accepted is None:
        _ask(shown)
    elif not signing.same_fingerprint(accepted, shown):
        raise Refused(f"the bundle's key has the fingerprint {shown}, not the accepted one. "
                      "Take the bundle from whom you trust.")
    return Trust(signer, pem, True)


def pin(layout: Layout, trust: Trust) -> None:
    """Keep the key for all bundles and updates to come."""
    if trust.pin:
        write_whole(layout.trusted, trust.pem)


def _pinned(layout: Layout) -> bytes | None:
    """The key that is pinned; None where none is. Raises Refused where others than root could have put it there.

    The folder is the watch's: what is read and what is looked at is one open file, and no link.
    """
    owner, pem = _read(layout)
    if pem is not None and owner != os.geteuid():
        raise Refused(f"{layout.trusted} belongs to user {owner}, who may have changed it. Compare it with the key "
                      f"that you trust, then name that one: --key FILE")
    return pem


def _read(layout: Layout) -> tuple[int, bytes | None]:
    """Whose the pinned key is, and what it holds, b"" of a link; None where there is no such file."""
    try:
        handle = os.open(layout.trusted, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return 0, None
    except OSError:
        return os.lstat(layout.trusted).st_uid, b""
    with open(handle, "rb") as file:
        return os.fstat(handle).st_uid, file.read(signing.LARGEST + 1)


def _ask(shown: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(f"no key is pinned here yet, and the bundle's has the fingerprint {shown}. Compare it with the "
                      f"one that its maker told you, then type the same again with --accept-key {shown}")
    print(f"The bundle is signed with the key {shown}\n"
          "Compare it with the fingerprint that its maker told you. It will be trusted from now on.")
    if input("Is it the same? Type yes: ").strip().lower() != "yes":
        raise Refused("the key was not accepted, and nothing was changed. Ask the bundle's maker for the fingerprint.")
