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
    pin: bool  # whether it is to be pinned, since nothing or another key is


def trusted(layout: Layout, bundle: Path, key: Path | None, accepted: str | None) -> Trust:
    """The key to verify with. A pinned one holds until another is named by `key`, a file.

    `accepted` is a fingerprint that somebody compared. Where nothing is pinned, and neither is given, the bundle's
    own fingerprint is shown and a person asked. Raises Refused where nobody can be, or says no.
    """
    if key is not None:
        signing.fingerprint(key)
        return Trust(key, not _pinned(layout) or not signing.same_key(key, layout.trusted))
    if _pinned(layout):
        return Trust(layout.trusted, False)
    signer = bundle / SIGNER
    shown = signing.fingerprint(signer)
    if accepted is None:
        _ask(shown)
    elif not signing.same_fingerprint(accepted, shown):
        raise Refused(f"the bundle's key has the fingerprint {shown}, not the accepted one. "
                      "Take the bundle from whom you trust.")
    return Trust(signer, True)


def pin(layout: Layout, trust: Trust) -> None:
    """Keep the key for all bundles and updates to come."""
    if trust.pin:
        write_whole(layout.trusted, trust.key.read_bytes())


def _pinned(layout: Layout) -> bool:
    """Whether a key is pinned. Raises Refused where others than root could have put it there."""
    try:
        owner = os.lstat(layout.trusted).st_uid
    except FileNotFoundError:
        return False
    if owner != os.geteuid():
        raise Refused(f"{layout.trusted} belongs to user {owner}, who may have changed it. Compare it with the key "
                      f"that you trust, then name that one: --key FILE")
    return True


def _ask(shown: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(f"no key is pinned here yet, and the bundle's has the fingerprint {shown}. Compare it with the "
                      f"one that its maker told you, then type the same again with --accept-key {shown}")
    print(f"The bundle is signed with the key {shown}\n"
          "Compare it with the fingerprint that its maker told you. It will be trusted from now on.")
    if input("Is it the same? Type yes: ").strip().lower() != "yes":
        raise Refused("the key was not accepted, and nothing was changed. Ask the bundle's maker for the fingerprint.")
