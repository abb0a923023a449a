"""The tables of the store, version by version. A step is added at the end, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minehat.errors import MineHatError

from .transaction import transaction

FIRST = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    camera TEXT NOT NULL,
    zone TEXT NOT NULL,
    time REAL NOT NULL,
    suspect INTEGER NOT NULL,
    loud INTEGER NOT NULL,
    opens INTEGER NOT NULL,
    incident TEXT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX events_incident ON events (incident) WHERE incident != '';
CREATE INDEX events_opens ON events (seq) WHERE opens = 1;
CREATE TABLE media (
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    path TEXT,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (seq, kind)
) WITHOUT ROWID;
CREATE INDEX media_kept ON media (seq) WHERE state = 'kept';
CREATE INDEX media_coming ON media (seq) WHERE state = 'coming';
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    seq INTEGER,
    remark TEXT NOT NULL
);
CREATE INDEX audit_seq ON audit (seq) WHERE seq IS NOT NULL;
CREATE TABLE cursors (sink TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
STEPS: tuple[str, ...] = (FIRST,)


def version_of(connection: Any) -> int:
    """Which steps have been taken: 0 for a fresh database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: Any, before: Callable[[Any], object], steps: Sequence[str] = STEPS) -> None:
    """Take the steps that are missing, all in one transaction: after a power cut it is the old schema or the new.

    before: called with the connection while nothing has changed yet, to make a backup; not for a fresh database.
    Raises MineHatError where a newer minewatch wrote the database.
    """
    old = version_of(connection)
    if old > len(steps):
        raise MineHatError(f"the store of events is of version {old}; this minewatch knows versions up to "
                           f"{len(steps)}. Install the newer minewatch again, or name another state folder.")
    if old == len(steps):
        return
    if old:
        before(connection)
    with transaction(connection):
        for step in steps[version_of(connection):]:  # asked again: another process may have been first
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(steps)}")
