"""What people are told, a line each."""

from __future__ import annotations

import contextlib
import sys


def say(text: str) -> None:
    """One line on stdout, at once; nothing where nobody reads any more."""
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)


def size(count: int) -> str:
    """Bytes as people say them: 612 MB."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def warn(text: str) -> None:
    """One line on stderr."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)
