"""Logging in: a name and a password, by a form or with each request of a program; wrong ones wait."""

from __future__ import annotations

import base64
import hashlib
import math
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection

from ..clock import Clock
from ..config.passwords import agrees
from ..config.schema import UserPart
from .attempts import Attempts
from .board import Board
from .ledger import Ledger, plain

AT_ONCE = 2  # passwords that are tried at the same time: each takes memory and a fifth of a second
REMEMBERED = 60.0  # seconds for which a program's password is not tried again
MOST = 256  # of those


@dataclass(frozen=True)
class TooSoon(Exception):
    """So many wrong ones came before that this one has to wait."""

    seconds: int


class Logins:
    """Tries names and passwords."""

    def __init__(self, board: Board, ledger: Ledger, clock: Clock) -> None:
        self._board, self._ledger, self._clock = board, ledger, clock
        self._attempts = Attempts()
        self._lately: dict[bytes, tuple[str, float]] = {}
        self._limiter: CapacityLimiter | None = None

    async def tried(self, name: str, password: str, address: str) -> UserPart | None:
        """The user; None where name or password is wrong. Raises TooSoon. The attempt counts before it is tried."""
        keys, now = (f"user {name}", f"address {address}"), self._clock.monotonic()
        if wait := self._attempts.wait(keys, now):
            await to_thread.run_sync(self._ledger.refused, "login_too_soon", plain(name, 64), f"from {address}")
            raise TooSoon(math.ceil(wait))
        self._attempts.wrong(keys, now)
        user = next((one for one in self._board.setup.users if one.name == name), None)
        right = await to_thread.run_sync(agrees, password, user.password_hash if user else None,
                                         limiter=self._limited())
        if user is None or not right:
            await to_thread.run_sync(self._ledger.refused, "login_refused", plain(name, 64), f"from {address}")
            return None
        self._attempts.right(keys)
        return user

    async def basic(self, header: str, address: str) -> UserPart | None:
        """The user of an Authorization header. Raises TooSoon."""
        pair = _pair(header)
        if pair is None:
            return None
        name, password = pair
        user = next((one for one in self._board.setup.users if one.name == name), None)
        proof = hashlib.sha256(f"{user and user.password_hash}\n{name}\n{password}".encode()).digest()
        known = self._lately.get(proof)
        if user is not None and known and self._clock.monotonic() - known[1] <= REMEMBERED:
            return user
        user = await self.tried(name, password, address)
        if user is not None:
            while len(self._lately) >= MOST:
                self._lately.pop(next(iter(self._lately)))
            self._lately[proof] = user.name, self._clock.monotonic()
        return user

    def _limited(self) -> CapacityLimiter:
        if self._limiter is None:
            self._limiter = CapacityLimiter(AT_ONCE)
        return self._limiter


def address_of_client(connection: HTTPConnection) -> str:
    """Where a request comes from: as the proxy before us says, else as the socket says."""
    forwarded = connection.headers.get("x-forwarded-for", "").split(",")[-1].strip()
    client = connection.client.host if connection.client else "this machine"
    return plain(forwarded, 64) or client


def _pair(header: str) -> tuple[str, str] | None:
    scheme, _, told = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(told.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (name, password) if colon else None
