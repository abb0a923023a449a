"""Sessions: a signed cookie that says who logged in and when. Nothing of it can be made without the key."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from itsdangerous import BadData, URLSafeSerializer
from minehat.errors import MineHatError
from minehat.files import write_whole

from ..clock import Clock
from ..config.schema import UserPart

COOKIE = "minewatch"
SHIFT = 12 * 3600.0  # seconds that a session lasts
AHEAD = 60.0  # a session of the future, after the clock was set back, counts as forged


@dataclass(frozen=True)
class Session:
    """One browser's."""

    id: str
    user: str  # "" where nobody has logged in
    began: float  # wall clock; it must mean the same after a restart
    pin: str  # of the user's password hash: another password ends the session


class Sessions:
    """Opens, reads and ends them."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """folder: of the watch's state; the key lies in it, for its owner alone."""
        self._key = _key(folder / "page.key")
        self._signer = URLSafeSerializer(self._key, salt="minewatch session")
        self._ended = Ended(folder / "page.ended.json")
        self._clock = clock

    def opened(self, user: UserPart | None = None) -> tuple[Session, str]:
        """A new session, and the cookie that stands for it."""
        session = Session(secrets.token_hex(16), user.name if user else "", self._clock.wall(),
                          _pin(user) if user else "")
        return session, str(self._signer.dumps(asdict(session)))

    def read(self, cookie: str, users: Sequence[UserPart]) -> Session | None:
        """The session of a cookie; None where it is forged, over, or of a user who is not that any more."""
        try:
            session = Session(**self._signer.loads(cookie))
        except (BadData, TypeError):
            return None
        age = self._clock.wall() - session.began
        user = next((one for one in users if one.name == session.user), None)
        known = not session.user or (user is not None and session.pin == _pin(user))
        return session if -AHEAD <= age <= SHIFT and known and session.id not in self._ended else None

    def end(self, session: Session) -> None:
        """Nobody can use it any more, whoever has a copy of the cookie."""
        self._ended.add(session.id, self._clock.wall())

    def token(self, session: Session) -> str:
        """What a form of that session bears, and no other site can know."""
        return hmac.new(self._key, b"form " + session.id.encode(), hashlib.sha256).hexdigest()

    def is_token(self, session: Session, told: str) -> bool:
        """Whether the form is of that session."""
        return hmac.compare_digest(self.token(session).encode(), told.encode("utf-8", "replace"))


class Ended:
    """Sessions that were ended before their time, kept on disk for as long as their cookies would be believed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._ids: dict[str, float] = json.loads(path.read_text())
        except (OSError, ValueError):
            self._ids = {}

    def __contains__(self, session: str) -> bool:
        return session in self._ids

    def add(self, session: str, now: float) -> None:
        """From `now` (wall clock) on. A disk that takes nothing keeps it from being remembered over a restart only."""
        self._ids = {one: at for one, at in self._ids.items() if abs(now - at) <= SHIFT} | {session: now}
        with suppress(MineHatError, OSError):
            write_whole(self._path, json.dumps(self._ids))


def _pin(user: UserPart) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16]


def _key(path: Path) -> bytes:
    """The key in that file, made where it is absent. Where no file can be made it lives as long as the process."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) == 32:
            return key
        path.unlink()  # written in half, by a power cut
        return _key(path)
    except OSError:
        return secrets.token_bytes(32)
    with open(handle, "wb") as file:
        file.write(key := secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    return key
