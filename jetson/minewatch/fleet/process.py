"""The process of one errand: reads a Task, prints a Done as JSON, and leaves at once when the watch is gone."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from typing import Any

from minehat.errors import MineHatError

from .tasks import Task, done, to_json

NICE = 10  # those who watch come first


def main(leash: int) -> None:
    """The task is on stdin; the other end of the pipe `leash` is the watch's."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):  # the watch's to hear
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    threading.Thread(target=_leave_with, args=(leash,), daemon=True).start()
    told = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"done": to_json(done(Task(**{**told, "sources": tuple(told["sources"])})))}
    except MineHatError as exc:
        answer = {"fault": " ".join(str(exc).split())}
    except Exception as exc:  # ours; the watch tells it and goes on
        answer = {"fault": f"{type(exc).__name__}: {exc}"}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


def _leave_with(leash: int) -> None:
    poll = select.poll()
    poll.register(leash, select.POLLHUP)
    poll.poll()
    os._exit(0)
