"""Somebody at a terminal: a command on a pty of its own, whose questions are waited for and answered."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from waiting import wait_for

PATIENT = 120.0  # seconds for each question, for machines that are busy


class Typist:
    """Types what it is told as soon as the question has come. A context manager; leaves no process behind."""

    def __init__(self, *words: object, cwd: Path, program: tuple[str, ...] = ("-m", "minewatch")) -> None:
        self.shown = ""  # all that the terminal showed
        self._seen = 0
        ours, theirs = pty.openpty()
        self._hand = ours
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd,
            start_new_session=True, preexec_fn=_own_terminal,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        os.close(theirs)

    def answer(self, question: str, text: str = "") -> None:
        """Wait until the terminal asks so, then type the text and Enter."""
        self.wait_for(question)
        os.write(self._hand, f"{text}\n".encode())

    def press(self, question: str, key: str) -> None:
        """The same with a key alone: \\x03 is Ctrl-C, \\x04 Ctrl-D.

        Not before the command sleeps in its read: a Ctrl-C between question and read is heard at the next key only.
        """
        self.wait_for(question)
        stat = Path(f"/proc/{self.process.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S", PATIENT)
        os.write(self._hand, key.encode())

    def wait_for(self, text: str) -> None:
        """Until it stands on the terminal, after what was waited for last."""
        end = time.monotonic() + PATIENT
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < end and self._read(0.2), f"no {text!r} after:\n{self.shown}"
        self._seen = at + len(text)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        end = time.monotonic() + PATIENT
        while self._read(0.2):
            assert time.monotonic() < end, f"it does not end after:\n{self.shown}"
        return self.process.wait(PATIENT)

    def _read(self, seconds: float) -> bool:
        """Take what comes within so long; False once nothing can come any more."""
        if not select.select([self._hand], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self._hand, 65536)
        except OSError:  # as Linux tells that nobody holds the other end
            return False
        self.shown += piece.decode(errors="replace").replace("\r", "")
        return bool(piece)

    def __enter__(self) -> Typist:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._hand)


def _own_terminal() -> None:
    """The pty becomes the terminal of the new session: Ctrl-C reaches the command, and /dev/tty is this one."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
