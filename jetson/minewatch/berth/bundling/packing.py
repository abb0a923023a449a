"""Contents become one signed tar, which is read back before it gets its name: whole, or not there."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import sha256_of, written_whole

from .. import signing
from ..manifest import NAME, SIGNATURE, SIGNER, Listed, Manifest, to_bytes

Content = bytes | Path  # of a file in the bundle, or where it lies
FIRST = ("install.sh", NAME, SIGNATURE, SIGNER)  # in the tar, so that a look at its beginning shows what it is
RUN = ".sh"  # files of this kind may be run


def listed(contents: Mapping[str, Content]) -> dict[str, Listed]:
    """Length and hash of each file, as a manifest lists them."""
    return {path: Listed(hashlib.sha256(one).hexdigest(), len(one)) if isinstance(one, bytes)
            else Listed(sha256_of(one), one.stat().st_size) for path, one in sorted(contents.items())}


def pack(out: Path, top: str, manifest: Manifest, contents: Mapping[str, Content], key: Path | None,
         moment: int = 0) -> None:
    """Write `out`, a tar of one folder `top`, signed with a private key, unsigned for None.

    manifest: lists `contents`. moment: seconds since 1970 that all files bear; the same input gives the same bytes.
    Raises MineHatError or Refused where it cannot be written or signed; nothing is left then.
    """
    papers = _signed(manifest, key)
    with written_whole(out) as scratch:
        with tarfile.open(scratch, "w", format=tarfile.PAX_FORMAT) as tar:
            everything: dict[str, Content] = {**contents, **papers}
            order = [path for path in FIRST if path in everything]
            for path in order + sorted(everything.keys() - set(order)):
                _add(tar, f"{top}/{path}", everything[path], moment)
        _read_back(scratch, top, listed({path: one for path, one in papers.items()}) | dict(manifest.files))


def _signed(manifest: Manifest, key: Path | None) -> dict[str, bytes]:
    """MANIFEST.json and, of a key's owner, its signature and the public key."""
    raw = to_bytes(manifest)
    if key is None:
        return {NAME: raw}
    with tempfile.TemporaryDirectory(prefix="minehat-sign-") as folder:
        file, signature, signer = Path(folder) / NAME, Path(folder) / SIGNATURE, Path(folder) / SIGNER
        file.write_bytes(raw)
        signing.sign(file, signature, key)
        signer.write_bytes(signing.public_of(key))
        signing.verify(file, signature, signer)
        return {NAME: raw, SIGNATURE: signature.read_bytes(), SIGNER: signer.read_bytes()}


def _add(tar: tarfile.TarFile, path: str, content: Content, moment: int) -> None:
    about = tarfile.TarInfo(path)
    about.mtime, about.mode = moment, 0o755 if path.endswith(RUN) else 0o644
    if isinstance(content, bytes):
        about.size = len(content)
        tar.addfile(about, io.BytesIO(content))
    else:
        with open(content, "rb") as file:
            about.size = content.stat().st_size
            tar.addfile(about, file)


def _read_back(path: Path, top: str, wanted: Mapping[str, Listed]) -> None:
    """Raises MineHatError unless the tar holds what was meant: a disk lies, a file changes while it is packed."""
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            digest, file = hashlib.sha256(), tar.extractfile(member)
            while file and (piece := file.read(1 << 20)):
                digest.update(piece)
            found[member.name.removeprefix(f"{top}/")] = Listed(digest.hexdigest(), member.size)
    wrong = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if wrong:
        raise MineHatError(f"{wrong[0]} was changed while it was packed, or the disk does not keep what it is given. "
                           "Run this again.")
