"""All sinks: one runner each, so that none waits for another."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from ..clock import Clock
from ..config.schema import MqttPart, SinksPart, SirenPart, WebhookPart
from ..events.event import Event
from ..events.store import Store
from ..status import SinkStatus, Status
from .runner import Runner
from .sink import Sink

FINISH_SECONDS = 0.7  # that those have who still deliver when the watch ends
LEAVE_SECONDS = 0.3  # that the others have after it


class Senders:
    """The runners by the names of their sinks. No method but `stop` waits for anything."""

    def __init__(self, sinks: SinksPart, folder: Path, site: str, clock: Clock) -> None:
        """folder: the state's, where the events are."""
        self._folder, self._site, self._clock = folder, site, clock
        self._runners: dict[str, tuple[BaseModel, Runner]] = {}
        self._newest: Status | None = None
        self.replace(sinks)

    def wake(self) -> None:
        """New events are on disk."""
        for _, runner in self._runners.values():
            runner.wake()

    def unwritten(self, events: Iterable[Event]) -> None:
        """Events that the disk refuses now: an alarm does not wait for a disk. A few hundred are kept in memory."""
        if told := tuple(events):
            for _, runner in self._runners.values():
                runner.unwritten(told)

    def show(self, status: Status) -> None:
        """How the watch stands, about once a second: for those who tell it to others."""
        self._newest = status
        for _, runner in self._runners.values():
            runner.show(status)

    def status(self) -> tuple[SinkStatus, ...]:
        """One for each sink."""
        return tuple(runner.status() for _, runner in self._runners.values())

    def replace(self, sinks: SinksPart) -> None:
        """Go on with these. A sink whose part is unchanged does not notice; a new one begins at the newest event."""
        parts = _parts(sinks)
        before = self._runners
        for name, (part, runner) in before.items():
            if parts.get(name) != part:
                runner.stop()
        self._runners = {name: before[name] if name in before and before[name][0] == part
                         else (part, self._begun(name, part, before.get(name))) for name, part in parts.items()}

    def stop(self) -> None:
        """Deliver what waits and end, all within about a second.

        A thread that waits for a host's name is left behind; it harms nobody.
        """
        runners = [runner for _, runner in self._runners.values()]
        for runner in runners:
            runner.finish()
        self._await(runners, FINISH_SECONDS)
        for runner in runners:
            runner.stop()
        self._await(runners, LEAVE_SECONDS)

    def _await(self, runners: Sequence[Runner], seconds: float) -> None:
        ends = self._clock.monotonic() + seconds
        for runner in runners:
            runner.ended(max(0.0, ends - self._clock.monotonic()))

    def _begun(self, name: str, part: BaseModel, before: tuple[BaseModel, Runner] | None) -> Runner:
        runner = Runner(name, self._sink(part), Store.reader(self._folder), self._clock, before and before[1])
        if self._newest is not None:
            runner.show(self._newest)
        return runner.start()

    def _sink(self, part: BaseModel) -> Sink:
        """Each brings its own libraries, which a watch without it need not carry."""
        if isinstance(part, MqttPart):
            from .mqtt import Mqtt
            from .retained import Retained
            return Mqtt(part, self._site, box_id(self._folder), self._clock, Retained(self._folder))
        if isinstance(part, WebhookPart):
            from .webhook import Webhook
            return Webhook(part, self._clock)
        assert isinstance(part, SirenPart)
        from .siren import Siren
        return Siren(part, self._clock)


def box_id(folder: Path) -> str:
    """Tells this watch from others that speak to the same broker; stays the same over runs."""
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return hashlib.sha256(f"{machine} {socket.gethostname()} {folder.absolute()}".encode()).hexdigest()[:12]


def _parts(sinks: SinksPart) -> dict[str, BaseModel]:
    parts: dict[str, BaseModel] = {f"webhook {part.name}": part for part in sinks.webhooks}
    if sinks.mqtt is not None:
        parts["mqtt"] = sinks.mqtt
    if sinks.siren is not None:
        parts["siren"] = sinks.siren
    return parts
