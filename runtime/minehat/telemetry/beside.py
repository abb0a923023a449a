"""Sensors read now and then by a process of its own, so that reading them takes nothing from what is timed."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import IO

from .reading import Reading, reading_from_json

EVERY = 0.5  # seconds


class Beside:
    """A context manager: while it is open, `readings` grows by one every `every` seconds."""

    def __init__(self, every: float = EVERY, root: str = "/") -> None:
        self._command = [sys.executable, "-m", "minehat.telemetry", "--every", str(every), "--root", root]
        self.readings: list[Reading] = []

    def __enter__(self) -> Beside:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)
        assert self._process.stdin and self._process.stdout
        self._first = threading.Event()
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        self._first.wait(20)  # until there is something to hold the rest against
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()  # it takes a last reading and ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(10)
        self._process.stdout.close()

    def _listen(self, lines: IO[bytes]) -> None:
        for line in lines:
            self.readings.append(reading_from_json(line.decode()))
            self._first.set()
        self._first.set()
