"""All of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def transaction(connection: Any) -> Iterator[None]:
    """What is executed inside is committed together; it is on disk when the block ends without an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(Exception):  # SQLite has rolled back already where the disk was full
            connection.execute("ROLLBACK")
        raise
