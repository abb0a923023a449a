"""How much memory single lines of Python take, numpy's arrays among it."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable


def most_of_a_line(work: Callable[[], object]) -> int:
    """The most bytes that a line which `work` runs held at once beyond what was held before it.

    No array made on the way can be larger, however briefly it lived.
    """
    most = 0

    def between(*_: object) -> Callable[..., object]:
        nonlocal most, before
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        return between

    outer = sys.gettrace()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sys.settrace(between)
    try:
        work()
    finally:
        sys.settrace(outer)
        between()
        tracemalloc.stop()
    return most
