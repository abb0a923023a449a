"""A camera's address taken apart: where it is, and who we are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from minehat.errors import MineHatError

SCHEMES = {"rtsp": 554, "rtsps": 322}  # and their ports
HOST = r"(\[[^\]]*\]|[^\[\]:/@]*)(?::(\d+))?$"  # [v6] or name, port


@dataclass(frozen=True)
class Address:
    """A stream's. `user` and `password` are as people say them, not percent-encoded."""

    scheme: str
    host: str  # with [] around a v6 address
    port: int
    path: str  # from the / on, query and all
    user: str | None = None
    password: str | None = None

    @property
    def told(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"

    @property
    def open_url(self) -> str:
        """Without user and password."""
        return f"{self.scheme}://{self.told}{self.path}"


def address_of(url: str) -> Address:
    """Take a URL apart. Passwords with unescaped @, : or / in them are understood where they can be.

    Raises MineHatError, without the URL in it, where it names no host or a scheme that is not read.
    """
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in SCHEMES:
        raise MineHatError(f"a camera's URL begins with {' or '.join(f'{one}://' for one in SCHEMES)}, "
                           f"not with {scheme}://.")
    who, at, rest = _parted(rest)
    place, slash, path = rest.partition("/")
    found = re.match(HOST, place)
    if not found or not found[1] or int(found[2] or 0) > 65535:
        raise MineHatError(f"the camera's URL names no host: {scheme}://HOST[:PORT]/PATH is wanted. Give user and "
                           "password by the keys `user` and `password`.")
    user, _, password = who.partition(":")
    return Address(scheme.lower(), found[1], int(found[2] or SCHEMES[scheme.lower()]), slash + path,
                   _plain(user) if at else None, _plain(password) if at and ":" in who else None)


def parted(url: str) -> dict[str, str]:
    """`url`, and the `user` and `password` that stood in it, as a configuration's keys. Raises MineHatError."""
    found = address_of(url)
    told = {"url": url if found.user is None else found.open_url, "user": found.user, "password": found.password}
    return {key: text for key, text in told.items() if text}


def _parted(rest: str) -> tuple[str, str, str]:
    """User and password, the @, and what follows; the @ of a path or query is none of theirs."""
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        who, at, place = authority.rpartition("@")
        return who, at, place + rest[len(authority):]
    who, at, after = rest.partition("?")[0].rpartition("@")  # a password with a / in it
    if at and ":" in authority and not re.match(HOST, authority) and re.match(HOST, after.partition("/")[0]):
        return who, at, rest[len(who) + 1:]
    return "", "", rest


def _plain(word: str) -> str:
    """Percent-decoded, where every % of it is one of an encoding."""
    return word if re.search("%(?![0-9A-Fa-f]{2})", word) else unquote(word)
