"""Work in a process of its own, so that a library that crashes, or is killed, ends in a line and not in silence."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..doors import BUG, run_door
from ..errors import MineHatError
from .memory import memory_here

_PR_SET_PDEATHSIG = 1  # prctl: be told when the parent dies
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def run_apart(module: str, request: Mapping[str, Any], what: str) -> int:
    """Run `python -m module` on the request (JSON) and give its exit code; what it prints goes where ours goes.

    Ctrl-C and SIGTERM are passed on, and its end is waited for. Raises MineHatError where a signal ended it.
    """
    command, text = [sys.executable, "-m", module], json.dumps({"parent": os.getpid(), "request": request})
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)  # the child inherits it, until it has its handlers
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as child:
            code = _answered(child, text, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if code < 0:
        raise MineHatError(_epitaph(what, signal.Signals(-code)))
    return code


def _answered(child: subprocess.Popen[str], text: str, mask: Iterable[int]) -> int:
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        child.communicate(text)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
    except SystemExit:
        child.terminate()
        child.wait()
        raise
    return child.wait()


def answer(work: Callable[[Mapping[str, Any]], int]) -> int:
    """The other side: do `work` on the request that came in, and stop where the parent dies. Returns the exit code."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return run_door(lambda _: _worked(work), (), "minehat")


def _worked(work: Callable[[Mapping[str, Any]], int]) -> int:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)  # what came meanwhile is raised here
    text = sys.stdin.read()
    if not text:  # the parent was stopped before it could ask
        return BUG
    asked = json.loads(text)
    return work(asked["request"]) if os.getppid() == asked["parent"] else BUG


def _epitaph(what: str, number: signal.Signals) -> str:
    if number is signal.SIGKILL:
        memory = memory_here()
        free = f" ({memory.available / 1e9:.1f} GB are free now)" if memory else ""
        return (f"{what} was killed, as Linux does when memory runs out{free}. Close other programs, add swap, or give "
                "a smaller --workspace and --opt-level. Nothing was left half-written.")
    return (f"{what} crashed inside the library ({number.name}). Nothing was left half-written. Try another version "
            "of the library or another --target, and report the file to us.")
