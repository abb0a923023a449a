"""A whole watch on the spot: `minewatch run` over cameras of the lab, with a model whose answers are known by heart."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from bright_onnx import bright_onnx
from minebench.lab.clips import write_clip
from minebench.lab.ports import free_port
from waiting import wait_for

SIDE, FPS = 96, 12.5
BLIND_TO_HEALTH = dict.fromkeys(("dark", "glare", "blurred", "covered", "frozen", "moved"), False)


def bare_clip(path, seconds=8.0, bare=(0.5, 4.0), fps=FPS, side=SIDE):
    """A clip in which somebody bare-headed (blue) stands in the middle from `bare[0]` to `bare[1]` seconds."""
    rng = np.random.default_rng(0)
    third = side // 3

    def frames():
        for number in range(round(seconds * fps)):
            frame = rng.integers(0, 40, (side, side, 3), np.uint8)
            if bare[0] <= number / fps < bare[1]:
                frame[third:2 * third, third:2 * third] = (250, 20, 20)
            yield frame

    return write_clip(path, frames(), fps, keys=round(fps))


def resident(pid):
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def seconds_until(found, limit=60.0):
    """How long it takes until `found()` gives something."""
    began = time.monotonic()
    wait_for(found, limit, 0.02)
    return time.monotonic() - began


FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
FAKED = """
import os
import sys
if __name__ == "__main__":
    del os.environ["LD_PRELOAD"]  # its processes would wait for each other at libfaketime's one semaphore
    from minewatch.cli import main
    sys.exit(main(["run", sys.argv[-1]]))
"""


def start_faked(watch, setting: Path) -> None:
    """Begin with a wall clock that the file `setting` moves: "+7200". That of the main process, which tells times."""
    if not FAKETIME:
        pytest.skip("libfaketime is not installed: apt install libfaketime")
    setting.write_text("+0")
    script = watch.folder / "faked.py"
    script.write_text(FAKED)
    watch.start({"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(setting),
                 "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}, (sys.executable, str(script)))


class Watching:
    """`minewatch run` as a process. A context manager: what is left of it is killed."""

    def __init__(self, folder: Path, cameras, **parts) -> None:
        self.folder, self.state = folder, folder / "state"
        self.port = free_port()
        model = folder / "bright.onnx"
        if not model.exists():
            bright_onnx(model)
        cameras = [{"name": f"cam {row}", "url": str(one), "health": BLIND_TO_HEALTH} if not isinstance(one, dict)
                   else one for row, one in enumerate(cameras)]
        self.told = {"version": 1, "site": "test", "state": str(self.state), "model": {"file": str(model)},
                     "cameras": cameras, "web": {"listen": f"127.0.0.1:{self.port}"}, **parts}
        self.config = folder / "minewatch.yaml"
        self.log = folder / "log.txt"
        self._mark = f"MINEWATCH_TEST={secrets.token_hex(8)}"
        self.process: subprocess.Popen[bytes] | None = None
        self.write()

    def write(self, **parts) -> None:
        """Write the configuration, changed so."""
        self.told.update(parts)
        self.config.write_text(json.dumps(self.told))
        self.config.chmod(0o600)

    def start(self, env=None, wrap=()) -> Watching:
        """Begin, or begin again."""
        name, value = self._mark.split("=")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*wrap, sys.executable, "-m", "minewatch", "run", str(self.config)], stderr=log, stdout=log,
                env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {}), name: value}, start_new_session=True)
        return self

    def signal(self, number: int) -> None:
        """To the main process."""
        self.process.send_signal(number)

    def stop(self, seconds=20.0) -> int:
        """Ask it to end; its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """As a power cut would, of the main process alone."""
        self.process.kill()
        self.process.wait()

    def children(self, what: str = "") -> list[int]:
        """Processes that this watch started, whose command line holds `what`; known by their environment."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and int(folder.name) != self.process.pid:
                with contextlib.suppress(OSError):
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if self._mark.encode() in (folder / "environ").read_bytes() and what in line:
                        found.append(int(folder.name))
        return found

    def get(self, path: str):
        """The page's JSON; None while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                body = answer.read()
                return json.loads(body) if answer.headers["content-type"].startswith("application/json") else body
        except (urllib.error.URLError, OSError):
            return None

    def status(self):
        """As `/api/status` has it; None while there is none."""
        told = self.get("/api/status")
        return told and told["status"]

    def camera(self, row: int = 0):
        """The status of a camera."""
        status = self.status()
        return status and status["cameras"][row]

    def watching(self, seconds=30.0):
        """Wait until all is watched."""
        return wait_for(lambda: (self.get("/api/status") or {}).get("watching"), seconds)

    def rows(self, *kinds: str) -> list[dict]:
        """The events on disk, of these kinds or of all, read beside the watch."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.state / 'events.db'}?mode=ro", uri=True)) as store:
                rows = store.execute("SELECT seq, event FROM events ORDER BY seq").fetchall()
        except sqlite3.Error:
            return []
        told = [{"seq": seq, **json.loads(event)} for seq, event in rows]
        return [row for row in told if not kinds or row["kind"] in kinds]

    def __enter__(self) -> Watching:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(10)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            for pid in self.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
