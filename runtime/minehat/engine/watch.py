"""What a build says while it runs: the log, the progress, and Ctrl-C that cancels it."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from ..progress import BETWEEN_LINES, say

BAR_CELLS = 24
SURE_AFTER = 5.0  # seconds; an estimate of the rest that is made sooner is a guess
_IDLE = ("scales to fp32",  # said of each INT8 convolution with FP16 scales; the kernels are the same
         "Int64 binding")  # said of labels and counts, which are just that by our contract
Heard = Callable[[float, "float | None"], None]


@dataclass
class BuildLog:
    """What was said that matters: errors, warnings, and the table of layers."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    table: str = ""

    def hear(self, severity: str, message: str) -> None:
        """Take one message. `severity` is the name of TensorRT's: ERROR, WARNING, INFO, VERBOSE, ..."""
        if severity in ("ERROR", "INTERNAL_ERROR"):
            self.errors.append(message)
        elif severity == "WARNING" and not any(idle in message for idle in _IDLE):
            self.warnings.append(message)
        elif message.startswith("Layers:"):
            self.table += message + "\n"

    @property
    def reason(self) -> str:
        """The first error in plain words: without the caller, the code and the source line."""
        if not self.errors:
            return "the builder gave no reason"
        text = re.sub(r"^\[?[\w.]+::\w+(?:::\d+\])?:? Error Code \d+: ", "", " ".join(self.errors[0].split()))
        text = re.sub(r" In \w+ at \S+:\d+\)?$", "", text)
        return text.removesuffix(".")

    @property
    def ran_out(self) -> bool:
        """Whether memory was what the builder lacked."""
        return any(re.search(r"out ?of ?memory|bad_alloc|insufficient memory|not sufficient memory|cannot allocate|"
                             r"resource temporarily unavailable", text, re.IGNORECASE)
                   for text in self.errors)


class Phases:
    """How far a build has come, out of phases that nest: each has steps, a step may hold a phase.

    Shows a bar with the time that is left on stderr when that is a terminal, else a line now and then. `cancelled`
    set makes the builder stop. `at_step` is called with each step, `heard` then told the share that is done, 0 to 1,
    and the seconds that are left. The builder may call from several threads.
    """

    def __init__(self, label: str, at_step: Callable[[], None] | None = None,
                 clock: Callable[[], float] = time.monotonic, heard: Heard | None = None) -> None:
        self.label, self.cancelled, self.at_step, self._heard = label, False, at_step, heard
        self._clock, self._lock = clock, threading.Lock()
        self._open: dict[str, tuple[str | None, int, int]] = {}  # name: parent, steps, steps done
        self._began = self._told = clock()
        self._drawn = False

    def start(self, name: str, parent: str | None, steps: int) -> None:
        with self._lock:
            self._open[name] = (parent, max(1, steps), 0)
            self._show(name)

    def step(self, name: str, step: int) -> bool:
        """Note a finished step; False asks the builder to stop."""
        with self._lock:
            if name in self._open:
                parent, steps, _ = self._open[name]
                self._open[name] = (parent, steps, min(steps, step + 1))
            self._show(name)
            if self.at_step:
                self.at_step()
            if self._heard:
                self._heard(self.share, self.left)
        return not self.cancelled

    def finish(self, name: str) -> None:
        with self._lock:
            self._open.pop(name, None)

    @property
    def share(self) -> float:
        """Of the whole build, 0 to 1."""
        return sum(self._share(name) for name, (parent, _, _) in self._open.items() if parent is None)

    def _share(self, name: str) -> float:
        _, steps, done = self._open[name]
        inside = sum(self._share(child) for child, (parent, _, _) in self._open.items() if parent == name)
        return min(1.0, (done + min(1.0, inside)) / steps)

    @property
    def left(self) -> float | None:
        """Seconds to go, by how long the share that is done took; None while that says little."""
        spent, share = self._clock() - self._began, self.share
        return spent * (1 - share) / share if share > 0.02 and spent > SURE_AFTER else None

    def _show(self, name: str) -> None:
        now, terminal = self._clock(), sys.stderr is not None and sys.stderr.isatty()
        if now - self._told < (0.1 if terminal else BETWEEN_LINES):
            return
        self._told = now
        left = "" if self.left is None else f", {self.left:.0f} s to go"
        if terminal:
            cells = round(self.share * BAR_CELLS)
            bar = "#" * cells + "." * (BAR_CELLS - cells)
            self._draw(f"{self.label} [{bar}] {self.share:4.0%} {now - self._began:4.0f} s{left}  {name}")
        else:
            say(f"{self.label}: {self.share:.0%} after {now - self._began:.0f} s{left} ({name})")

    def _draw(self, line: str) -> None:
        columns = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{line[:columns]}\x1b[K")
        sys.stderr.flush()
        self._drawn = True

    def clear(self) -> None:
        """Wipe the bar."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")


def logger_for(trt: Any, log: BuildLog) -> Any:
    """A TensorRT logger that tells `log`."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            log.hear(severity.name, message)

    return Logger()


def monitor_for(trt: Any, phases: Phases) -> Any:
    """A TensorRT progress monitor that tells `phases`."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            phases.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            return phases.step(name, step)

        def phase_finish(self, name: str) -> None:
            phases.finish(name)

    return Monitor()


@contextmanager
def interruptible(phases: Phases) -> Iterator[None]:
    """Ctrl-C or SIGTERM asks the builder to stop at its next step, and is raised again when the block ends.

    Without this their exceptions would be swallowed inside the callbacks of parser and builder.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    caught: list[int] = []

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        phases.cancelled = True

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        phases.clear()
        if caught:  # whatever the library made of it
            signal.raise_signal(caught[0])
            raise KeyboardInterrupt  # where the handler raised nothing
