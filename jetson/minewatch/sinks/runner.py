"""A runner: the thread of one sink. What the sink confirmed moves its cursor; nothing else does."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Literal

from minehat.errors import MineHatError

from ..clock import Clock
from ..events.event import Event, Kept
from ..status import SinkStatus, Status
from .backoff import pause_after
from .bell import Bell
from .sink import Outbox, Refused, Sink, Undelivered

BATCH = 50  # events handed over together
REFUSALS = 10  # of one event by a receiver that answers, after which it is passed over, counted and told
REST = 30.0  # seconds after which the store is looked at even though nobody rang
STORE_PAUSE = 5.0  # seconds until a store that cannot be read is tried again
UNWRITTEN = 256  # events that are on no disk, kept for this sink; the oldest give way
STORE_FAULTS = (sqlite3.Error, OSError, MineHatError)
log = logging.getLogger(__name__)


class Runner:
    """Brings events to one sink, in order, until each is confirmed."""

    def __init__(self, name: str, sink: Sink, outbox: Outbox, clock: Clock, before: Runner | None = None,
                 chance: random.Random | None = None) -> None:
        """before: the runner whose place this one takes; it is waited for, so that order is kept."""
        self.name, self._sink, self._outbox, self._clock = name, sink, outbox, clock
        self._before, self._chance = before, chance or random.Random()
        self._bell, self._finishing = Bell(), False
        self._cursor: int | None = None
        self._unwritten: deque[Kept] = deque(maxlen=UNWRITTEN)
        self._failures = self._refusals = 0
        self._resumes = 0.0  # monotonic, of the next try after a failure
        self._told = SinkStatus(name, "retrying", text="not tried yet")
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)

    def start(self) -> Runner:
        """Begin."""
        self._thread.start()
        return self

    def wake(self) -> None:
        """There are new events."""
        self._bell.ring()

    def unwritten(self, events: Iterable[Event]) -> None:
        """Events that the disk refuses: told without a number, and again with one if they come to be written."""
        self._unwritten.extend(Kept(0, event) for event in events)
        self._bell.ring()

    def show(self, status: Status) -> None:
        """How the watch stands, for sinks that tell it."""
        if self._sink.show(status):
            self._bell.ring()

    def status(self) -> SinkStatus:
        """As it stands; never waits."""
        told = self._told
        waits = max(0.0, self._resumes - self._clock.monotonic())
        return replace(told, next_try=waits) if told.standing == "retrying" else told

    def finish(self) -> None:
        """Ask it to end when nothing waits any more, or at the first failure."""
        self._finishing = True
        self._bell.ring()

    def stop(self) -> None:
        """Ask it to end now."""
        self._bell.stop()

    def ended(self, seconds: float) -> bool:
        """Whether it has ended, waited for so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def turn(self) -> float:
        """One step. Seconds until the next one: 0 where there may be more to deliver."""
        events, fault = self._waiting()
        pause = self._resumes - self._clock.monotonic()
        if pause > 0:
            return pause
        try:
            self._sink.ready(self._bell)
            self._deliver_unwritten()
            if events:
                self._confirm(events[self._sink.deliver(events, self._bell) - 1].seq)
        except Refused as exc:
            return self._refused(exc, events)
        except Undelivered as exc:
            return self._failed(exc)
        self._went_well(fault)
        return STORE_PAUSE if fault else 0.0 if events else REST

    def close(self) -> None:
        """Let go of all; after the thread has ended, or where it was never started."""
        with closing(self._bell), closing(self._outbox):
            self._sink.close()

    def _run(self) -> None:
        if self._before is not None:
            self._before.ended(REST)
            self._before = None
        try:
            while not self._bell.stopped:
                try:
                    pause = self.turn()
                    if self._finishing and pause > 0:
                        break
                    self._wait(pause)
                except Exception as exc:  # our bug: told and tried again, since nobody else delivers
                    log.exception("sink %s: a fault of the program", self.name)
                    self._failed(Undelivered(f"a fault of the program: {exc!r}", slowly=True))
        finally:
            self.close()

    def _wait(self, seconds: float) -> None:
        if seconds <= 0:
            return
        if self._failures:
            self._bell.wait(seconds)
            return
        try:
            self._sink.rest(seconds, self._bell)
        except Undelivered as exc:
            self._failed(exc)

    def _waiting(self) -> tuple[Sequence[Kept], str]:
        """The next events, and why there are none where that is the store's fault."""
        try:
            newest = self._outbox.newest()
            top = newest.seq if newest else 0
            if self._cursor is None:
                self._cursor = self._first(top)
            self._told = replace(self._told, behind=max(0, top - self._cursor))
            return self._outbox.after(self._cursor, BATCH), ""
        except STORE_FAULTS as exc:
            return (), f"the events cannot be read: {exc}"

    def _first(self, top: int) -> int:
        """Where to begin: a receiver never seen before is not told of the past."""
        if self._outbox.knows(self.name):
            return self._outbox.cursor(self.name)
        self._outbox.confirm(self.name, top)
        return top

    def _deliver_unwritten(self) -> None:
        while self._unwritten:
            few = list(self._unwritten)[:BATCH]
            try:
                done = self._sink.deliver(few, self._bell)
            except Refused as exc:
                log.error("sink %s: an event that is on no disk was refused: %s", self.name, exc)
                done = 1
            for kept in few[:done]:
                with suppress(ValueError):  # newer ones may have taken its place meanwhile
                    self._unwritten.remove(kept)

    def _confirm(self, seq: int) -> None:
        """Go on after event `seq`, though its number cannot be written down: a full disk silences nobody."""
        self._told = replace(self._told, behind=max(0, self._told.behind - seq + (self._cursor or 0)))
        self._cursor, self._refusals = seq, 0
        try:
            self._outbox.confirm(self.name, seq)
        except STORE_FAULTS as exc:
            log.warning("sink %s: that event %d was confirmed cannot be kept: %s", self.name, seq, exc)

    def _went_well(self, fault: str) -> None:
        standing: Literal["well", "retrying"] = "retrying" if fault else "well"
        if (standing, fault) != (self._told.standing, self._told.text):
            log.log(logging.WARNING if fault else logging.INFO, "sink %s: %s", self.name, fault or "well")
        self._failures, self._resumes = 0, 0.0
        self._told = replace(self._told, standing=standing, text=fault)

    def _failed(self, exc: Undelivered) -> float:
        self._failures += 1
        pause = pause_after(self._failures, exc.slowly, self._chance)
        self._resumes = self._clock.monotonic() + pause
        if str(exc) != self._told.text and not self._bell.stopped:
            log.warning("sink %s: %s", self.name, exc)
        self._told = replace(self._told, standing="retrying", text=str(exc))
        return pause

    def _refused(self, exc: Refused, events: Sequence[Kept]) -> float:
        self._refusals += 1
        seq = events[0].seq
        if self._refusals < REFUSALS:
            return self._failed(Refused(f"{exc}; event {seq}, refusal {self._refusals} of {REFUSALS}"))
        log.error("sink %s: event %d was refused %d times and is passed over: %s", self.name, seq, REFUSALS, exc)
        self._confirm(seq)
        self._told = replace(self._told, skipped=self._told.skipped + 1)
        return 0.0
