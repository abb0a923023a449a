"""A stream's items pass through three steps that work side by side, one step on each item."""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

AHEAD = 2  # items that are taken from the source before the consumer has the results of those before them
LEAVE = 2.0  # seconds that a thread gets to end: one that waits for its source ends when that answers

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Done = TypeVar("Done")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _End:
    """What comes after the last item: `why` is raised where the consumer is, None where the source ended."""

    why: BaseException | None = None


class Relay(Generic[Item, Ready, Done, Result]):
    """source -> first -> second -> third -> results, in order; source and first in one thread, second in another.

    A step is called as step(slot, item). The slots 0 to AHEAD - 1 take turns, and a slot's turn comes again when the
    third step is through with it: a step may keep memory for each slot. What the source or a step raises reaches the
    consumer, after the results of all items before it.
    """

    def __init__(self, source: Iterable[Item], first: Callable[[int, Item], Ready],
                 second: Callable[[int, Ready], Done], third: Callable[[int, Done], Result]) -> None:
        self._source, self._first, self._second, self._third = source, first, second, third
        self._room = threading.Semaphore(AHEAD)
        self._ready: SimpleQueue[tuple[int, Ready] | _End] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, Done] | _End] = SimpleQueue()
        self._ended = False

    def results(self) -> Generator[Result, None, None]:
        """To be asked for once. Its threads begin with the first result that is wanted, and end with it."""
        threads = [threading.Thread(target=work, name=f"minehat {work.__name__.strip('_')}", daemon=True)
                   for work in (self._feed, self._work)]
        for thread in threads:
            thread.start()
        atexit.register(self.end)  # a library's native code must not run on while the process is taken down
        try:
            while not isinstance(given := self._done.get(), _End):
                result = self._third(*given)
                self._room.release()
                yield result
            if given.why is not None:
                raise given.why
        finally:
            atexit.unregister(self.end)
            self.end()
            for thread in threads:
                if thread is not threading.current_thread() and not sys.is_finalizing():
                    thread.join(LEAVE)

    def end(self, why: BaseException | None = None) -> None:
        """End the threads soon; `why` is raised where the consumer asks for more."""
        self._ready.put(_End(why))  # before the feeder can put an end of its own
        self._ended = True
        self._room.release()

    def _feed(self) -> None:
        try:
            for slot, item in zip(self._turns(), self._source, strict=False):
                self._ready.put((slot, self._first(slot, item)))
            self._ready.put(_End())
        except BaseException as exc:  # it is the consumer's
            self._ready.put(_End(exc))

    def _turns(self) -> Iterator[int]:
        """The slots in turn, each when there is room for another item."""
        for slot in itertools.cycle(range(AHEAD)):
            self._room.acquire()
            if self._ended:
                return
            yield slot

    def _work(self) -> None:
        try:
            while not isinstance(given := self._ready.get(), _End):
                slot, ready = given
                self._done.put((slot, self._second(slot, ready)))
            self._done.put(given)
        except BaseException as exc:  # as in `_feed`
            self._done.put(_End(exc))
