"""An update comes to lie in the state folder: signature first, then what it says, then its files by their hashes.

What is whole already is not copied again, and what is half there goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from minehat.files import sha256_of

from ..berth import manifest as berth
from ..berth import signing
from ..berth.errors import Refused
from ..berth.manifest import Listed
from .ledger import Ledger, folder_of
from .refusal import NotTaken, refusing
from .sources import Source, small
from .update import Here, Update, update_of, wanted

LONGEST = 1 << 20  # bytes of the manifest of an update
SIGNATURE = 4096  # bytes, and far fewer in truth
DIGITS = 16  # of a digest, in the name of an update's folder
PART = ".part"
SPARE = 64 << 20  # bytes that stay free for events


def lying_in(state: Path, digest: str) -> Path:
    """The folder of an update on this box."""
    return folder_of(state) / "files" / digest[:DIGITS]


def fetched(source: Source, state: Path, key: Path, here: Here, ledger: Ledger, disk_share: float,
            again: bool = False) -> Update | None:
    """The update there, whole and verified, if it is news; None otherwise. Raises NotTaken where it is not taken.

    again: one that was applied or refused before is not taken, instead of no news.
    """
    raw = small(source, berth.NAME, LONGEST)
    if raw is None:
        return None
    digest = hashlib.sha256(raw).hexdigest()
    if ledger.knows(digest):
        if again:
            raise NotTaken("older", f"this update was refused here before: {ledger.refused[digest]}. Pack it anew to "
                           "have it tried again" if digest in ledger.refused else "this update was applied here before")
        return None
    signature = small(source, berth.SIGNATURE, SIGNATURE)
    if signature is None:
        raise NotTaken("signature", f"there is a {berth.NAME} and no {berth.SIGNATURE}: copy it again, whole")
    _verify(raw, signature, key, folder_of(state))
    update = update_of(raw)
    if not wanted(update, here, ledger):
        return None
    folder = lying_in(state, digest)
    with refusing("place"):
        _make_room(update, state, disk_share)
        folder.mkdir(parents=True, exist_ok=True)
    for path, listed in update.manifest.files.items():
        _copy(source, path, listed, folder)
    with refusing("place"):
        _write(folder / berth.SIGNATURE, signature)
        _write(folder / berth.NAME, raw)
        berth.verify(folder, update.manifest)
    return update


def staged(state: Path, digest: str, key: Path) -> Update:
    """The update that lies in the state folder, verified once more. Raises NotTaken."""
    folder = lying_in(state, digest)
    with refusing("place"):
        raw = (folder / berth.NAME).read_bytes()
        signing.verify(folder / berth.NAME, folder / berth.SIGNATURE, key)
        update = update_of(raw)
        berth.verify(folder, update.manifest)
    return update


def _verify(raw: bytes, signature: bytes, key: Path, place: Path) -> None:
    with refusing("place"), tempfile.TemporaryDirectory(prefix=".verify-", dir=place) as scratch:
        manifest, signed = Path(scratch) / berth.NAME, Path(scratch) / berth.SIGNATURE
        manifest.write_bytes(raw)
        signed.write_bytes(signature)
        if not key.is_file():
            raise NotTaken("signature", f"{key} is not there: updates must be signed with a key that this box trusts. "
                           "Lay its public half there")
        try:
            signing.verify(manifest, signed, key)
        except Refused as exc:
            raise NotTaken("signature", str(exc).replace(f"{scratch}/", "")) from exc


def _make_room(update: Update, state: Path, disk_share: float) -> None:
    """Raises NotTaken where the update would take the room of events."""
    folder = lying_in(state, update.digest)
    there = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    disk = shutil.disk_usage(state)
    left = disk.free - (update.bytes - there)
    if left < max(SPARE, (1 - disk_share) * disk.total):
        raise NotTaken("place", f"{update.told} needs {update.bytes / 1e6:.0f} MB, and what is free is needed for "
                       f"events: make room on the disk of {state}")


def _copy(source: Source, path: str, listed: Listed, folder: Path) -> None:
    """Whole and right, or NotTaken; what came so far stays for the next time."""
    final = folder / path
    if final.is_file() and final.stat().st_size == listed.bytes and sha256_of(final) == listed.sha256:
        return
    part = final.with_name(final.name + PART)
    with refusing("place"):
        final.parent.mkdir(parents=True, exist_ok=True)
        final.unlink(missing_ok=True)
        part.touch()
    have = min(part.stat().st_size, listed.bytes)
    with source.opened(path, have if have < listed.bytes else 0) as found:
        if found is None:
            raise NotTaken("source", f"{path} is missing there: the copy is not whole")
        start, pieces = found
        with refusing("place"), open(part, "r+b") as file:
            file.seek(start)
            file.truncate()
            for piece in pieces:
                if file.tell() + len(piece) > listed.bytes:
                    part.unlink()
                    raise NotTaken("source", f"{path} there has more than the {listed.bytes} bytes that were signed")
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    if part.stat().st_size < listed.bytes:
        raise NotTaken("source", f"{path} there ends before its {listed.bytes} bytes; what came is kept")
    if sha256_of(part) != listed.sha256:
        part.unlink()
        raise NotTaken("source", f"{path} is not the file that was signed: it was changed there, or on the way")
    os.replace(part, final)


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
