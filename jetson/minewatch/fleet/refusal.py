"""Why an update is not taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from ..berth.errors import Refused

Cause = Literal["source", "signature", "site", "older", "unsound", "place", "config", "model", "watching",
                "interrupted"]
LASTING = ("site", "unsound", "config", "model", "watching", "interrupted")  # the same update is not looked at again


class NotTaken(Exception):
    """One line for people, and a word for machines."""

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(" ".join(text.split())[:1000])
        self.cause: Cause = cause


@contextmanager
def refusing(cause: Cause) -> Iterator[None]:
    """What the berth refuses inside, and files that cannot be read or written, is refused for this cause."""
    try:
        yield
    except Refused as exc:
        raise NotTaken(cause, str(exc)) from exc
    except UnicodeDecodeError as exc:
        raise NotTaken(cause, "a file is not UTF-8") from exc
    except OSError as exc:
        raise NotTaken(cause, f"{exc.filename or 'a file'}: {exc.strerror or exc}") from exc
