"""A walk through the rooms: one door after another, each with a line of progress and a record for the page."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from minehat.doors import DONE, MENDABLE
from minehat.errors import MineHatError
from minehat.progress import say

Result = TypeVar("Result")


@dataclass(frozen=True)
class Step:
    """One thing that was done, or the reason why not."""

    title: str
    told: str
    command: str = ""  # as one would paste it in the project's folder
    seconds: float = 0.0
    left_out: bool = False


class Walk:
    """Runs doors as programs of their own in the project's folder, so that only files pass between them."""

    def __init__(self, root: Path, total: int) -> None:
        self.steps: list[Step] = []
        self._root = root
        self._total = total

    def door(self, title: str, told: str, *command: str | Path | int, fine: Sequence[int] = (DONE,)) -> str:
        """Run `python SCRIPT ...` or `minehat ...` and return its stdout; its stderr goes to ours.

        Raises MineHatError naming the step where the exit code is the user's to mend, RuntimeError where
        it is our bug. Codes in `fine` count as done.
        """
        words = [str(word) for word in command]
        return self._record(title, told, self._as_typed(words), lambda: self._run(title, words, fine))

    def here(self, title: str, told: str, work: Callable[[], Result]) -> Result:
        """Do a step in this process."""
        return self._record(title, told, "", work)

    def leave_out(self, title: str, reason: str) -> None:
        """Note a step that this machine or these pictures do not allow."""
        self._announce(f"{title}: left out, {reason}")
        self.steps.append(Step(title, reason, left_out=True))

    def _record(self, title: str, told: str, command: str, work: Callable[[], Result]) -> Result:
        self._announce(title)
        begun = time.perf_counter()
        result = work()
        self.steps.append(Step(title, told, command, time.perf_counter() - begun))
        return result

    def _announce(self, line: str) -> None:
        say(f"[{len(self.steps) + 1}/{self._total}] {line}")

    def _run(self, title: str, words: list[str], fine: Sequence[int]) -> str:
        program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
        ended = subprocess.run([*program, *words[1:]], cwd=self._root, stdout=subprocess.PIPE, text=True)
        if ended.returncode in fine:
            return ended.stdout
        line = f"step {title!r} ended with code {ended.returncode}; its own line is above. " \
               f"To try it alone: {self._as_typed(words)}"
        raise MineHatError(line) if ended.returncode == MENDABLE else RuntimeError(line)

    def _as_typed(self, words: Sequence[str]) -> str:
        return shlex.join(self._from_root(word) for word in words)

    def _from_root(self, word: str) -> str:
        """A path as one would type it in the project's folder, where it lies in it or beside it."""
        nearby = os.path.isabs(word) and Path(word).is_relative_to(self._root.parent)
        return os.path.relpath(word, self._root) if nearby else word
