"""What people watch while they wait: a bar on a terminal, now and then a line in a log. On stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

Item = TypeVar("Item")
BETWEEN_LINES = 15.0  # seconds, where stderr is a log
_muted = False


def bar(iterable: Iterable[Item], total: int | None = None, label: str = "") -> Generator[Item, None, None]:
    """The items of `iterable`, with a progress bar. `total` where it has no length of its own."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    tqdm = _load_tqdm() if _on_terminal() and not _muted else None
    if _muted:
        yield from iterable
    elif tqdm is None:
        yield from _with_lines(iterable, total, label)
    else:
        yield from tqdm.tqdm(iterable, total=total, desc=label or None, leave=False, dynamic_ncols=True)


@contextmanager
def muted() -> Iterator[None]:
    """No bars and no words from this process until the block ends: another one of its team speaks for all."""
    global _muted
    before, _muted = _muted, True
    try:
        yield
    finally:
        _muted = before


def say(text: str) -> None:
    """Print text on stderr, above a bar that is running. Raises nothing where nobody can hear it."""
    if _muted:
        return
    try:
        tqdm = _load_tqdm() if _on_terminal() else None
        if tqdm is not None:
            tqdm.tqdm.write(text, file=sys.stderr)
        elif sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        hush(sys.stderr)
    except OSError:  # a log on a full disk; there may be room again for the next line
        pass


def hush(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, to nowhere: its reader has gone away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _with_lines(iterable: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
    start = told = time.monotonic()
    for count, item in enumerate(iterable):
        now = time.monotonic()
        if now - told >= BETWEEN_LINES:
            told = now
            say(f"{label or 'done'} {count}{f'/{total}' if total else ''} after {now - start:.0f} s")
        yield item


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # it is None where it was closed: `2>&-`


def _load_tqdm() -> Any:
    """tqdm, or None: a wait without a bar is still worth having."""
    try:
        import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm
