"""A bundle that was looked at from all sides before a byte is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .. import signing
from ..errors import Refused
from ..manifest import NAME, SIGNATURE, Manifest, Release, from_bytes, read, release_of, verify
from . import told
from .box import hold_against, hold_room, this_box
from .disk import bytes_of
from .layout import COMPLETE, Layout
from .trust import Trust, trusted


@dataclass(frozen=True)
class Offer:
    """A verified release, and where it came from."""

    bundle: Path
    raw: bytes  # MANIFEST.json, as it was signed
    manifest: Manifest
    release: Release
    trust: Trust

    @property
    def name(self) -> str:
        """The name of the folder that it gets."""
        return f"{self.manifest.version}-{self.manifest.build}"


def verified(layout: Layout, bundle: Path, key: Path | None, accepted: str | None, older: bool) -> Offer:
    """The release in an unpacked bundle. Raises Refused unless signature, box, every file and the room are as wanted.

    A release that was built before the current one is refused unless `older`.
    """
    if (bundle / COMPLETE).exists():
        raise Refused(f"{bundle} is an installed release, not a bundle. Name an unpacked bundle: --bundle FOLDER")
    if not (bundle / NAME).is_file():
        raise Refused(f"{bundle} is no unpacked bundle. Unpack it (tar xf BUNDLE.tar), then name its folder: "
                      "--bundle FOLDER")
    trust = trusted(layout, bundle, key, accepted)
    raw = signing.verify(bundle / NAME, bundle / SIGNATURE, trust.key, trust.pem)
    listed = from_bytes(raw)
    offer = Offer(bundle, raw, listed, release_of(listed), trust)
    hold_against(this_box(), offer.release)
    _hold_same(layout, offer)
    _hold_age(layout, offer, older)
    _hold_commands(layout)
    verify(bundle, listed)
    packed = sum(one.bytes for one in listed.files.values())
    told.say(f"verified: MineHat {offer.name} for {offer.release.target}, {len(listed.files)} files, "
             f"{told.size(packed)}, signed by {signing.fingerprint_of(trust.pem, trust.key)}")
    if not layout.complete(offer.name):
        _hold_room(layout, offer)
    return offer


def _hold_same(layout: Layout, offer: Offer) -> None:
    """Two releases of one name are one release."""
    if layout.complete(offer.name) and read(layout.releases / offer.name) != offer.manifest:
        raise Refused(f"another release is installed as {offer.name} already. Pack this one again: "
                      "it gets a build of its own.")


def _hold_age(layout: Layout, offer: Offer, older: bool) -> None:
    """An old release may have faults that were mended since; whoever wants it says so."""
    running = layout.linked(layout.current)
    if running is None or older or running == offer.name or layout.linked(layout.previous) == offer.name:
        return
    there = read(layout.releases / running)
    if offer.manifest.build < there.build:
        raise Refused(f"this bundle was built {offer.manifest.build}, before the release that is installed "
                      f"({there.version}, {there.build}). Type --older too if it is wanted all the same.")


def _hold_commands(layout: Layout) -> None:
    """Another installation's commands are not written over."""
    for command in layout.foreign_commands():
        raise Refused(f"{command} is there and is not this installer's. Move it away (pip uninstall minehat, where pip "
                      "put it there), then type the same again.")


def _hold_room(layout: Layout, offer: Offer) -> None:
    """What an earlier attempt left is cleared away first, so it counts as free."""
    where = layout.nearest()
    disk = os.statvfs(where)
    left = sum(bytes_of(folder) for folder in layout.incomplete())
    packed = sum(offer.manifest.files[wheel.file].bytes for wheel in offer.release.wheels)  # copied before unpacked
    hold_room(disk.f_bavail * disk.f_frsize + left, offer.release.bytes_installed + packed, str(where))
