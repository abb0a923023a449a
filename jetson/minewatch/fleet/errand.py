"""An errand from the watch's side: a process that does one task. Nothing here waits."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import Any

from .tasks import Done, Task, to_json

ENTRY = "from minewatch.fleet.process import main; main({})"
GOING = 1.0  # seconds that a killed process may take to be gone
MOST = 1 << 20  # bytes of an answer


class Errand:
    """Raises OSError where the machine has no room for a process."""

    def __init__(self, task: Task, now: float) -> None:
        self.task, self.began = task, now
        self._said = bytearray()
        self._leash, theirs = _pipe()
        try:
            with open(os.memfd_create("minewatch-task"), "w+b") as paper:
                paper.write(json.dumps(to_json(task)).encode())
                paper.flush()
                paper.seek(0)
                self._process = subprocess.Popen(
                    [sys.executable, "-c", ENTRY.format(theirs)], stdin=paper, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, pass_fds=(theirs,), start_new_session=True,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"})
        except OSError:
            os.close(self._leash)
            raise
        finally:
            os.close(theirs)
        assert self._process.stdout is not None
        self._ear = self._process.stdout
        os.set_blocking(self._ear.fileno(), False)

    @property
    def waitables(self) -> list[Any]:
        """What to wait for."""
        return [self._ear]

    def turn(self) -> Done | str | None:
        """What came of it, or, as a text, why nothing did; None while it goes on."""
        try:
            while piece := os.read(self._ear.fileno(), 65536):
                self._said += piece
                if len(self._said) > MOST:
                    return "its process said too much"
        except BlockingIOError:
            return None
        return _understood(bytes(self._said))

    def kill(self) -> None:
        """Whatever it is at; and let go of it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._ear.close()
        os.close(self._leash)

    def bury(self) -> None:
        """Kill it and wait until it is gone, but not for one that hangs in the kernel."""
        if not self._ear.closed:
            self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GOING)

    @property
    def ended(self) -> bool:
        """Whether the process is no more. One that hangs in the kernel on a dead disk may take its time."""
        return self._process.poll() is not None


def _pipe() -> tuple[int, int]:
    """Our end, whose closing is heard, and theirs."""
    theirs, ours = os.pipe()
    return ours, theirs


def _understood(said: bytes) -> Done | str:
    try:
        told = json.loads(said)
        if "fault" in told:
            return str(told["fault"])
        refusals = tuple((str(cause), str(text)) for cause, text in told["done"].pop("refusals"))
        return Done(**told["done"], refusals=refusals)
    except (ValueError, TypeError, KeyError):
        return "its process ended in the middle"
