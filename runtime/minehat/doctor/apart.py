"""Questions that may crash or hang whoever asks: libraries are loaded by a child with a time limit."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import MineHatError

PATIENCE = 30.0  # seconds; the largest libraries load in a few, from a slow eMMC in ten and more


@dataclass(frozen=True)
class Answer:
    """What a child said, or, where it said nothing, why."""

    told: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""  # "it crashed (SIGSEGV)"
    late: bool = False  # it did not answer in time

    def cure(self, usual: str) -> str:
        """What to do about the trouble, where `usual` helps against most."""
        if not self.late:
            return usual
        return f"Look again when the machine has less to do; if it stays so, {usual[0].lower()}{usual[1:]}"


def ask(question: str, *words: str, seconds: float = PATIENCE) -> Answer:
    """Ask one of `asking.QUESTIONS` in a process of its own, whatever becomes of that.

    Raises MineHatError where none can be started.
    """
    command = [sys.executable, "-m", "minehat.doctor.asking", question, *words]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Answer(trouble=f"it did not answer within {seconds:g} s", late=True)
    except OSError as exc:
        raise MineHatError(f"{sys.executable} cannot be started ({exc.strerror or exc}). Free some memory, or have its "
                           "owner open it to this user") from exc
    if done.returncode < 0:
        return Answer(trouble=f"it crashed ({_signal(-done.returncode)})")
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode:
        return Answer(trouble=f"it failed ({said[-1].strip() if said else f'exit code {done.returncode}'})")
    return Answer(json.loads(done.stdout))


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
