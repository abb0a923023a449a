"""What people watch while they wait: a bar on a terminal, now and then a line in a log. On stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sized
from typing import Any, TypeVar

Item = TypeVar("Item")
BETWEEN_LINES = 15.0  # seconds, where stderr is a log


def bar(iterable: Iterable[Item], total: int | None = None, label: str = "") -> Generator[Item, None, None]:
    """The items of `iterable`, with a progress bar. `total` where it has no length of its own."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    tqdm = _load_tqdm() if sys.stderr.isatty() else None
    if tqdm is None:
        yield from _with_lines(iterable, total, label)
    else:
        yield from tqdm.tqdm(iterable, total=total, desc=label or None, leave=False, dynamic_ncols=True)


def say(text: str) -> None:
    """Print text on stderr, above a bar that is running."""
    tqdm = _load_tqdm() if sys.stderr.isatty() else None
    if tqdm is None:
        print(text, file=sys.stderr, flush=True)
    else:
        tqdm.tqdm.write(text, file=sys.stderr)


def _with_lines(iterable: Iterable[Item], total: int | None, label: str) -> Iterator[Item]:
    start = told = time.monotonic()
    for count, item in enumerate(iterable):
        now = time.monotonic()
        if now - told >= BETWEEN_LINES:
            told = now
            say(f"{label or 'done'} {count}{f'/{total}' if total else ''} after {now - start:.0f} s")
        yield item


def _load_tqdm() -> Any:
    """tqdm, or None: a wait without a bar is still worth having."""
    try:
        import tqdm
    except ModuleNotFoundError:
        return None
    return tqdm
