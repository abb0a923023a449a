"""Shows out connections that never finish the head of a request. uvicorn itself waits for them for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from ..clock import Clock

HEAD_SECONDS = 10.0  # from the connection, or the last answer, to a whole head
MOST = 256  # connections; above that the one that has dawdled longest goes
EVERY = 0.5


class Usher:
    """connections: uvicorn's own set of its protocols. A request under way is not its business."""

    def __init__(self, connections: Collection[Any], clock: Clock) -> None:
        self._connections, self._clock = connections, clock
        self._since: dict[Any, tuple[object, float]] = {}  # connection -> its last request, and since when it waits

    async def walk(self) -> None:
        """For ever."""
        while True:
            self.look()
            await asyncio.sleep(EVERY)

    def look(self) -> None:
        """Once."""
        now = self._clock.monotonic()
        waiting = [one for one in self._connections if one.cycle is None or one.cycle.response_complete]
        known = self._since
        self._since = {one: known[one] if one in known and known[one][0] is one.cycle else (one.cycle, now)
                       for one in waiting}
        late = [one for one, (_, since) in self._since.items() if now - since > HEAD_SECONDS]
        crowd = sorted(self._since, key=lambda one: self._since[one][1])[:max(0, len(self._connections) - MOST)]
        for one in {*late, *crowd}:
            one.transport.abort()
