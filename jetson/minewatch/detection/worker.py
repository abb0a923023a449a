"""A process of the watch's own, held from its side: started, spoken to, put to death. Nothing here waits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import Any

from .wire import Wire

ENTRY = "minewatch.detection.process:main"  # a function that takes the number of its socket


class Worker:
    """One process, from its first word to its end. Starting it takes milliseconds; what it loads it loads beside us.

    word: that it is told first. what: it is, for people. Raises OSError where the machine has no room for another one.
    """

    def __init__(self, word: object, entry: str = ENTRY, what: str = "the detector's process") -> None:
        ours, theirs = socket.socketpair()
        module, function = entry.split(":")
        self._wire, self._what = Wire(ours, blocking=False), what
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {module} import {function}; {function}({theirs.fileno()})"],
                pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"})
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.send(word)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def waitables(self) -> list[Wire]:
        """What to wait for; nothing where it has hung up."""
        return [] if self._wire.closed else [self._wire]

    @property
    def hung_up(self) -> bool:
        """Whether all that it had to say has been heard, and its end is closed."""
        return self._wire.closed

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    @property
    def epitaph(self) -> str:
        """How it ended, as far as that is known by now."""
        code = self._process.poll()
        if code is None:
            return f"{self._what} hung up"
        if code < 0:
            return f"{self._what} was killed by {signal.Signals(-code).name}"
        return f"{self._what} ended with exit code {code}"

    def send(self, message: object) -> None:
        """Where it cannot be told any more, `received` will know."""
        try:
            self._wire.send(message)
        except OSError:  # a wire that takes no more, of a process that reads nothing: as good as dead
            self.kill()

    def received(self) -> list[Any]:
        """What it has said since."""
        return self._wire.received()

    def kill(self) -> None:
        """At once, whatever it is at. `ended` tells when it is done; a driver may hold it for a while."""
        if not self.ended:
            self._process.kill()

    def close(self) -> None:
        """Hang up; by that alone it leaves."""
        self._wire.close()
