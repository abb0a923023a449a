"""Passwords of those who log in: kept as a salted scrypt hash, one line of text, never as themselves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import unicodedata

from minehat.errors import MineHatError

COST, BLOCK, LANES = 14, 8, 5  # log2 of N, r, p: 16 MiB and some 0.2 s a try on a small computer
MEMORY = 64 * 1024 * 1024  # bytes that a hash from a file may ask for
FORM = re.compile(r"scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})")
LONGEST = 1024  # characters of a password


def hashed(password: str) -> str:
    """The hash of a password under a new salt: `scrypt$14$8$5$salt$key`, base64 without its padding.

    Raises MineHatError where the password is empty or longer than LONGEST.
    """
    if not 0 < len(password) <= LONGEST:
        raise MineHatError(f"found a password of {len(password)} characters; wanted 1 to {LONGEST}. Type another one.")
    salt = os.urandom(16)
    return f"scrypt${COST}${BLOCK}${LANES}${_text(salt)}${_text(_key(password, salt, COST, BLOCK, LANES))}"


def agrees(password: str, known: str | None) -> bool:
    """Whether it is the password of the hash. None, of an unknown user, takes as long and is never so."""
    found = _parsed(known or NOBODY)
    if found is None:
        return False
    (cost, block, lanes), salt, key = found
    same = hmac.compare_digest(_key(password[:LONGEST], salt, cost, block, lanes), key)
    return same and known is not None and len(password) <= LONGEST


def is_hash(text: str) -> bool:
    """Whether `hashed` may have made it, with a cost that a try may have."""
    return _parsed(text) is not None


def _parsed(text: str) -> tuple[tuple[int, int, int], bytes, bytes] | None:
    """Cost, block and lanes, the salt and the key; None where it is no hash, or one that costs too much."""
    found = FORM.fullmatch(text)
    if found is None:
        return None
    cost, block, lanes = int(found[1]), int(found[2]), int(found[3])
    if not (10 <= cost <= 20 and block >= 1 and 1 <= lanes <= 16 and 128 * block << cost <= MEMORY // 2):
        return None
    return (cost, block, lanes), _bytes(found[4]), _bytes(found[5])


def _key(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    """32 bytes. The password is NFKC first: keyboards differ in how they make the same letter."""
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(plain, salt=salt, n=1 << cost, r=block, p=lanes, maxmem=MEMORY, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


NOBODY = f"scrypt${COST}${BLOCK}${LANES}${'A' * 22}${'A' * 43}"
