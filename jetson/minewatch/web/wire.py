"""What comes up from the page's process: JSON alone, since strangers can reach it and pickles run what they hold."""

from __future__ import annotations

import json
from dataclasses import asdict

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
        message = kind(**told)
    except (AttributeError, KeyError, TypeError) as exc:
        raise ValueError(f"not a message of the page: {content[:80]!r}") from exc
    if isinstance(message, Viewing):
        return Viewing(tuple(str(name) for name in message.cameras))
    return message
