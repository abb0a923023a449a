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
from pathlib import Path

from .errors import Refused

SIGNATURE_BYTES = 64
PUBLIC_HEAD = bytes.fromhex("302a300506032b6570032100")  # DER of an Ed25519 public key, RFC 8410; 32 bytes follow
PUBLIC_BYTES = len(PUBLIC_HEAD) + 32
LARGEST = 1000  # bytes of a file with a public key in it
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


def verify(file: Path, signature: Path, public: Path) -> None:
    """Return when `signature` is of `file` by the owner of `public`. Raises Refused in every other case."""
    _der(_small(public), public)
    if len(_small(signature)) != SIGNATURE_BYTES:
        raise Refused(f"{signature} is no Ed25519 signature of {SIGNATURE_BYTES} bytes. Copy it again, whole.")
    try:
        _openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", _path(public), "-in", _path(file),
                 "-sigfile", _path(signature))
    except Refused as exc:
        if NOT_SIGNED not in str(exc):
            raise
        raise Refused(f"{file} is not what the owner of {public} signed: it was changed, or signed by another. "
                      "Copy it again from whom you trust.") from exc


def fingerprint(public: Path) -> str:
    """What people compare: SHA-256 of the key's DER, hexadecimal in groups of four. Raises Refused for other files."""
    return _told(_der(_small(public), public))


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
    try:
        with open(path, "rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as exc:
        raise Refused(f"{path} cannot be read: {exc.strerror}. Give the path of a key or signature.") from exc
    if len(raw) > LARGEST:
        raise Refused(f"{path} is too long for a key or a signature. Give the path of one.")
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
