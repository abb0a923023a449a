"""Acknowledging an incident: who has seen it, and what they say of it. A row of the audit, for ever."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool

from ..clock import Clock
from ..events.reading import Reader
from .alarms import Alarms
from .ledger import plain
from .people import LOCAL, Person
from .posts import BadPost
from .seeking import LARGEST

LONGEST_REMARK = 500  # characters


class Acknowledger:
    """Writes it down."""

    def __init__(self, store: Reader, alarms: Alarms, clock: Clock) -> None:
        self._store, self._alarms, self._clock = store, alarms, clock

    async def acknowledge(self, seq: int, person: Person | None, name: str, remark: str) -> bool:
        """False where no incident has that number. Who logged in needs no name, and can give no other.

        Raises BadPost where a name is wanted, sqlite3.Error where it cannot be written.
        """
        who = plain(name, 64) if person is None or person.name == LOCAL else person.name
        if not who:
            raise BadPost(422, "say your name")
        if seq > LARGEST:
            return False
        done = await run_in_threadpool(self._store.acknowledge, seq, who, plain(remark, LONGEST_REMARK),
                                       self._clock.wall())
        self._alarms.changed()
        return done
