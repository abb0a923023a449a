"""What the machine's sensors say, read by a thread of its own: the loop waits for no sensor, and one may hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from minehat.telemetry import Reading, read_all, sensors_here
from minehat.telemetry.heat import Heat

from ..logs import logger

EVERY = 2.0  # seconds
PAUSE = 60.0  # seconds before sensors are looked for anew, after an error
ANEW = 30  # readings after which limits are read again: a governor may move them

log = logger("board")


class Thermometer:
    """`reading` is the newest; its age says whether anybody still reads. Begins at once."""

    def __init__(self, root: str | Path = "/") -> None:
        """root: the folder that stands for `/`."""
        self.reading: Reading | None = None  # None before the first, and on a machine that tells nothing
        self.limits: Mapping[str, float] = {}  # Celsius by zone, from which the machine slows itself down
        self._root = Path(root)
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="thermometer", daemon=True).start()

    def stop(self) -> None:
        """No more readings. It waits for none that hangs."""
        self._ended.set()

    def _run(self) -> None:
        told = ""
        while not self._ended.is_set():
            try:
                self._read()
            except Exception as exc:  # nobody else would tell; watching goes on without it
                if repr(exc) != told:
                    log.error("sensors cannot be read; it is tried again", exc_info=exc)
                told = repr(exc)
                self._ended.wait(PAUSE)

    def _read(self) -> None:
        sensors, heat = sensors_here(self._root), Heat(self._root)
        for number in self._turns():
            if number % ANEW == 0:
                self.limits = heat.limits()
            self.reading = read_all(sensors)

    def _turns(self) -> Iterator[int]:
        number, due = 0, time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            yield number
            number, due = number + 1, time.monotonic() + EVERY
