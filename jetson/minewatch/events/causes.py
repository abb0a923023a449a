"""What an error of SQLite or of the disk means for the store."""

from __future__ import annotations

import errno
import sqlite3
from typing import Literal

Cause = Literal["full", "readonly", "corrupt", "locked", "disk"]
MESSAGES: tuple[tuple[str, Cause], ...] = (  # of sqlite3_errstr; error codes come with Python 3.11 only
    ("disk is full", "full"), ("malformed", "corrupt"), ("not a database", "corrupt"), ("readonly", "readonly"),
    ("read-only", "readonly"), ("is locked", "locked"), ("no such table", "corrupt"), ("no such column", "corrupt"))
ERRNOS: dict[int | None, Cause] = {errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EFBIG: "full",
                                   errno.EROFS: "readonly", errno.EACCES: "readonly"}
TOLD: dict[Cause, str] = {
    "full": "the disk is full: events are written into the reserve, pictures are refused. Free some room",
    "readonly": "the state folder is read-only: events wait in memory. Make it writable again",
    "corrupt": "the database of events is damaged",
    "locked": "another program holds the database of events",
    "disk": "the disk does not take what is written: events wait in memory. Look at the disk"}


def cause_of(exc: BaseException) -> Cause:
    """A word for machines. A MineHatError is what its OSError was."""
    if isinstance(exc, sqlite3.Error):
        return next((cause for part, cause in MESSAGES if part in str(exc)), "disk")
    inner = exc if isinstance(exc, OSError) else exc.__cause__
    return ERRNOS.get(inner.errno if isinstance(inner, OSError) else None, "disk")
