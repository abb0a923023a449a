"""A siren: a command that makes the noise, or a line of a GPIO chip that is active for a while.

A siren of yesterday is a false alarm: events older than a minute are confirmed without a sound.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from ..clock import Clock
from ..config.schema import SirenPart
from ..events.event import Kept
from ..status import Status
from .bell import Bell
from .gpio import GpioLine
from .sink import Undelivered

STALE = 60.0  # seconds, either way: a clock that was set back makes old events young
GRACE = 5.0  # seconds that a command may take beyond those that it sounds
LOOK = 0.05  # seconds between two looks at whether the command has ended
QUOTED = 200  # characters of the last line of a failed command


class Siren:
    """What sounds. Events that come while it does are not sounded again."""

    def __init__(self, part: SirenPart, clock: Clock) -> None:
        self._part, self._clock = part, clock
        self._line: GpioLine | None = None

    def ready(self, bell: Bell) -> None:
        """The command is there, the line is ours."""
        part = self._part
        if part.command is not None:
            if shutil.which(part.command[0]) is None:
                raise Undelivered(f"{part.command[0]} is no program that can be run", slowly=True)
        elif self._line is None and part.gpio_chip is not None and part.gpio_line is not None:
            self._line = GpioLine(part.gpio_chip, part.gpio_line, part.active_low)

    def deliver(self, events: Sequence[Kept], bell: Bell) -> int:
        """Sound once if any of them is to be heard; it returns when the noise is over."""
        heard = [kept for kept in events if self._is_heard(kept)]
        if heard and self._line is not None:
            self._hold(self._line, bell)
        elif heard and self._part.command is not None:
            self._run(self._part.command, heard[0], bell)
        return len(events)

    def rest(self, seconds: float, bell: Bell) -> None:
        """Wait."""
        bell.wait(seconds)

    def show(self, status: Status) -> bool:
        """Sirens tell of events alone."""
        return False

    def close(self) -> None:
        """Silence."""
        if self._line is not None:
            line, self._line = self._line, None
            line.close()

    def _is_heard(self, kept: Kept) -> bool:
        event = kept.event
        return event.loud and event.kind in self._part.kinds and abs(self._clock.wall() - event.time) <= STALE

    def _hold(self, line: GpioLine, bell: Bell) -> None:
        line.set(True)
        try:
            ends = self._clock.monotonic() + self._part.seconds
            while not bell.stopped and (left := ends - self._clock.monotonic()) > 0:
                bell.wait(left)
        finally:
            line.set(False)

    def _run(self, command: Sequence[str], kept: Kept, bell: Bell) -> None:
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, bufsize=0, start_new_session=True)
        except OSError as exc:
            raise Undelivered(f"{command[0]}: {exc.strerror}") from exc
        with process:
            try:
                said = self._heard_out(process, kept, bell)
            finally:
                _end(process)
        if process.returncode and not bell.stopped:
            raise Undelivered(f"{command[0]} ended with {process.returncode}: {said}")

    def _heard_out(self, process: subprocess.Popen[bytes], kept: Kept, bell: Bell) -> str:
        """What it said last, when it has ended. Raises Undelivered where that takes too long."""
        assert process.stdin and process.stdout
        with suppress(BrokenPipeError), process.stdin as stdin:  # an event is small: a pipe takes it whole
            stdin.write(json.dumps(kept.to_dict(), ensure_ascii=False).encode() + b"\n")
        os.set_blocking(process.stdout.fileno(), False)
        said, open_ = b"", True
        began = self._clock.monotonic()
        ends = began + self._part.seconds + GRACE
        while process.poll() is None and not bell.stopped:
            if self._clock.monotonic() > ends:
                raise Undelivered(f"{process.args!r} did not end within {ends - began:g} s")
            readable, _ = bell.wait(LOOK, process.stdout if open_ else None)
            if readable:
                piece = process.stdout.read(65536)
                said, open_ = (said + (piece or b""))[-QUOTED:], piece != b""
        said += process.stdout.read(65536) or b""
        lines = said.decode(errors="replace").split("\n")
        return next((line for line in map(_plain, reversed(lines)) if line), "it said nothing")


def _plain(line: str) -> str:
    return "".join(sign for sign in line if sign.isprintable()).strip()[-QUOTED:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
