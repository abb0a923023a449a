"""What comes up from the page's process: JSON alone, since strangers can reach it and pickles run what they hold."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .messages import Failed, FromPage, Listening, Reload, Viewing

LONGEST = 8192  # bytes; a longer message ends the process that sent it
UPWARD: dict[str, type[Listening] | type[Viewing] | type[Failed] | type[Reload]] = {
    kind.__name__: kind for kind in (Listening, Viewing, Failed, Reload)}


def to_wire(message: FromPage) -> bytes:
    """JSON of a message that goes up."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode()


def from_wire(content: bytes) -> FromPage:
    """The message of such JSON. Raises ValueError for anything else."""
    told = json.loads(content)
    try:
        kind = UPWARD[told.pop("kind")]
        if kind is Viewing:
            return Viewing(tuple(_text(name) for name in told["cameras"]))
        values: Any = {key: _text(value) for key, value in told.items()}
        return kind(**values)
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"not a message of the page: {content[:80]!r}") from exc


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a text: {type(value).__name__}")
    return value
