"""Ed25519 signatures by the openssl command: one way to verify, on the host that packs and on the box that unpacks.

A key is a file: the private one PEM, closed to others; the public one exactly one PEM block and nothing else, so
that the key whose fingerprint was shown is the key that openssl reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path

from .errors import Refused

SIGNATURE_BYTES = 64
PUBLIC_HEAD = bytes.fromhex("302a300506032b6570032100")  # DER of an Ed25519 public key, RFC 8410; 32 bytes follow
PUBLIC_BYTES = len(PUBLIC_HEAD) + 32
LARGEST = 1000  # bytes of a file with a public key in it
LARGEST_SIGNED = 16_000_000  # bytes of a file that was signed
PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*")
SECONDS = 60.0  # that openssl may take
NO_PASSPHRASE = ("-passin", "pass:")  # or openssl would ask on the terminal
NOT_SIGNED = "Signature Verification Failure"


def new_key(private: Path, public: Path) -> str:
    """Write a new pair of keys, the private one closed to others, and return the fingerprint.

    Raises Refused where a file of that name is there already, or openssl is not.
    """
    for path in (private, public):
        if os.path.lexists(path):
            raise Refused(f"{path} is there already, and a key is never written over. Name another file.")
    secret = _openssl("genpkey", "-algorithm", "ed25519")
    _write_new(private, secret, 0o600)
    _write_new(public, public_of(private), 0o644)
    return fingerprint(public)


def public_of(private: Path) -> bytes:
    """The public half, PEM. Raises Refused where the file holds no private Ed25519 key."""
    try:
        pem = _openssl("pkey", "-in", _path(private), *NO_PASSPHRASE, "-pubout")
        _der(pem, private)
    except Refused as exc:
        raise Refused(f"{private} is no private Ed25519 key without a passphrase ({exc}) Make one with --new-key."
                      ) from exc
    return pem


def sign(file: Path, signature: Path, private: Path) -> None:
    """Write the signature of a file, 64 bytes. Raises Refused where key or openssl do not serve."""
    public_of(private)
    signature.write_bytes(_openssl("pkeyutl", "-sign", "-rawin", *NO_PASSPHRASE, "-inkey", _path(private),
                                   "-in", _path(file)))


def verify(file: Path, signature: Path, public: Path, pem: bytes | None = None) -> bytes:
    """The content of `file`, when `signature` is of it by the owner of `public`. Raises Refused in every other case.

    Each file is read once, so that nobody changes it after it was verified. pem: what `public` held when it was read.
    """
    pem = read_key(public) if pem is None else pem
    signed = _small(signature)
    if len(signed) != SIGNATURE_BYTES:
        raise Refused(f"{signature} is no Ed25519 signature of {SIGNATURE_BYTES} bytes. Copy it again, whole.")
    content = _read(file, LARGEST_SIGNED, "a signed file")
    try:
        with tempfile.TemporaryDirectory(prefix="signing-") as scratch:  # closed to others
            key, what, by = (os.path.join(scratch, name) for name in ("key", "content", "signature"))
            for path, read in ((key, pem), (what, content), (by, signed)):
                Path(path).write_bytes(read)
            _openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-in", what, "-sigfile", by)
    except Refused as exc:
        if NOT_SIGNED not in str(exc):
            raise
        raise Refused(f"{file} is not what the owner of {public} signed: it was changed, or signed by another. "
                      "Copy it again from whom you trust.") from exc
    return content


def read_key(public: Path) -> bytes:
    """What a file with a public key holds. Raises Refused for other files."""
    pem = _small(public)
    _der(pem, public)
    return pem


def fingerprint(public: Path) -> str:
    """What people compare: SHA-256 of the key's DER, hexadecimal in groups of four. Raises Refused for other files."""
    return _told(_der(_small(public), public))


def fingerprint_of(pem: bytes, public: Path) -> str:
    """The same of what the file held when it was read."""
    return _told(_der(pem, public))


def fingerprint_of_private(private: Path) -> str:
    """The fingerprint of a private key's public half. Raises Refused where the file holds no such key."""
    return _told(_der(public_of(private), private))


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two fingerprints are the same, however they are grouped and written; a part of one is not."""
    first, second = (re.sub(r"[\s:-]", "", text).lower() for text in (one, other))
    return first == second and re.fullmatch("[0-9a-f]{64}", first) is not None


def same_key(one: Path, other: Path) -> bool:
    """Whether two files hold the same public key. Raises Refused where one holds none."""
    return _der(_small(one), one) == _der(_small(other), other)


def _told(der: bytes) -> str:
    digits = hashlib.sha256(der).hexdigest()
    return "-".join(digits[at:at + 4] for at in range(0, len(digits), 4))


def _der(pem: bytes, path: Path) -> bytes:
    block = PEM.fullmatch(pem)
    try:
        der = base64.b64decode(b"".join(block[1].split()), validate=True) if block else b""
    except binascii.Error:
        der = b""
    if len(der) != PUBLIC_BYTES or not der.startswith(PUBLIC_HEAD):
        raise Refused(f"{path} is no public key: one PEM block with an Ed25519 key in it is wanted, as --new-key "
                      "writes it.")
    return der


def _small(path: Path) -> bytes:
    """The content of a key or signature. Raises Refused where it is absent, or too long to be one."""
    return _read(path, LARGEST, "a key or signature")


def _read(path: Path, most: int, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            raw = file.read(most + 1)
    except OSError as exc:
        raise Refused(f"{path} cannot be read: {exc.strerror}. Give the path of {what}.") from exc
    if len(raw) > most:
        raise Refused(f"{path} is too long for {what}. Give the path of one.")
    return raw


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
    except OSError as exc:
        raise Refused(f"{path} cannot be written: {exc.strerror}. Name a folder that is yours.") from exc


def _path(path: Path) -> str:
    """An absolute path: openssl takes one that begins with a dash for an option."""
    return os.path.abspath(path)


def _openssl(*arguments: str) -> bytes:
    """What openssl prints. Raises Refused where it is absent, too old, or says no."""
    try:
        ran = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS,
                             env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError as exc:
        raise Refused("the command openssl is missing; signatures are made and verified by it. "
                      "Install it: `apt-get install openssl`.") from exc
    except subprocess.TimeoutExpired as exc:
        raise Refused(f"openssl {arguments[0]} did not end within {SECONDS:.0f} seconds. Try again.") from exc
    if ran.returncode:
        said = (ran.stdout + b"\n" + ran.stderr).decode("utf-8", "replace").split("\n")
        first = next((line.strip() for line in said if line.strip()), f"exit code {ran.returncode}")
        raise Refused(f"openssl {arguments[0]} refused: {first}. Version 3.0 or later is wanted.")
    return ran.stdout
