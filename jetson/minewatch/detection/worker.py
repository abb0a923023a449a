"""A detector's process, held from the watch's side: started, spoken to, put to death. Nothing here waits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from .messages import FromDetector, Load, Look
from .wire import Wire

ENTRY = "minewatch.detection.process:main"  # a function that takes the number of its socket


class Worker:
    """One process, from `Load` to its end. Starting it takes milliseconds; the model loads beside us.

    Raises OSError where the machine has no room for another process.
    """

    def __init__(self, load: Load, entry: str = ENTRY) -> None:
        ours, theirs = socket.socketpair()
        module, function = entry.split(":")
        self._wire = Wire(ours, blocking=False)
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
        self.send(load)

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
            return "the detector's process hung up"
        if code < 0:
            return f"the detector's process was killed by {signal.Signals(-code).name}"
        return f"the detector's process ended with exit code {code}"

    def send(self, message: Load | Look) -> None:
        """Where it cannot be told any more, `received` will know."""
        try:
            self._wire.send(message)
        except OSError:  # a wire that takes no more, of a process that reads nothing: as good as dead
            self.kill()

    def received(self) -> list[FromDetector]:
        """What it has said since."""
        return self._wire.received()

    def kill(self) -> None:
        """At once, whatever it is at. `ended` tells when it is done; a driver may hold it for a while."""
        if not self.ended:
            self._process.kill()

    def close(self) -> None:
        """Hang up; by that alone it leaves."""
        self._wire.close()
