"""A check in a process of its own, for so long and no longer: a crash or a lost GPU costs its row alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .outcome import FAILED, Check, Row

BENCHMARKS = Path(__file__).resolve().parents[2]
ROOMS = (BENCHMARKS, BENCHMARKS.parent / "runtime")  # so that nothing need be installed but the libraries


def row_of(check: Check, log: Path) -> Row:
    """Run it, add what it prints to `log`, and tell how it ended."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        answer, printed = Path(folder) / "answer.json", Path(folder) / "printed.txt"
        with printed.open("wb") as sink:
            code = _run(check, answer, sink)
        said = printed.read_text(encoding="utf-8", errors="replace")
        with log.open("a", encoding="utf-8") as book:
            book.write(f"--- {check.name}\n{said}")
        seconds = round(time.monotonic() - begun, 2)
        if code == 0 and answer.is_file():
            return Row(check.name, seconds=seconds, **json.loads(answer.read_text(encoding="utf-8")))
    return Row(check.name, FAILED, _reason(check, code, said), seconds)


def _run(check: Check, answer: Path, sink: Any) -> int | None:
    """The exit code, or None when its time was up."""
    command = [sys.executable, "-m", "minebench.gpu.one", check.target, json.dumps(dict(check.arguments)), str(answer)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
                          env=_environment(check.environment), start_new_session=True) as child:
        try:
            return child.wait(check.seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """It and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    paths = [*map(str, ROOMS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", **more}


def _reason(check: Check, code: int | None, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = f": {lines[-1]}" if lines else ""
    if code is None:
        return f"it took longer than {check.seconds:g} s{last}"
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}{last}"
    return f"it ended with exit code {code}{last}"
