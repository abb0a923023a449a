"""What people are told, a line each."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def say(text: str) -> None:
    """One line on stdout, at once; nothing where nobody reads any more."""
    _line(sys.stdout, text)


def size(count: int) -> str:
    """Bytes as people say them: 612 MB."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def warn(text: str) -> None:
    """One line on stderr."""
    _line(sys.stderr, text)


def _line(stream: TextIO | None, text: str) -> None:
    if stream is None:  # it was closed from the beginning
        return
    try:
        print(text, file=stream, flush=True)
    except OSError:  # a reader who went away, a full disk: the work goes on, and Python's last flush must not complain
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
