"""What the watch's demo sets up: clips, a broker, a configuration, and the daemon itself."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any
from urllib.error import URLError

from minehat.errors import MineHatError
from minehat.files import make_folder, write_whole
from minehat.progress import bar
from minewatch.events.lock import owned

from .lab.clips import scene_clip
from .lab.faultcam import FaultCam
from .lab.ports import free_port

PAGE, HTTP_SECONDS, LEAVE = 8787, 2.0, 10.0


@dataclass(frozen=True)
class Scene:
    """One camera of the demo."""

    name: str
    seed: int


SCENES = (Scene("Shaft 1", 11), Scene("Crosscut east", 5), Scene("Crusher", 12))


def rendered(scenes: Sequence[Scene], folder: Path) -> list[Path]:
    """The clips of the scenes, rendered where they are not there yet."""
    make_folder(folder)
    clip = partial(scene_clip, seconds=12.0, fps=12.5, width=960, height=540, folder=folder)
    with Pool(initializer=_deaf) as pool:  # its end is their end, also where Ctrl-C brings it
        return list(bar(pool.imap(clip, [scene.seed for scene in scenes]), len(scenes), "rendering galleries"))


def _deaf() -> None:
    """Ctrl-C is for the process that waits for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Broker:
    """A mosquitto of our own on loopback, where one is installed. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        self._folder, self.port = folder.absolute(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def told(self) -> str:
        """For people."""
        if self._program is None:
            return "none: mosquitto is not installed"
        return f"127.0.0.1:{self.port}   listen: mosquitto_sub -p {self.port} -t 'minewatch/#' -v"

    @property
    def here(self) -> bool:
        """Whether there is one."""
        return self._program is not None

    def __enter__(self) -> Broker:
        if self._program is not None:
            config = self._folder / "mosquitto.conf"
            write_whole(config, f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
            self._process = subprocess.Popen([self._program, "-c", str(config)], stdout=subprocess.DEVNULL,
                                             stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


class Daemon:
    """`minewatch run`, with its own words on our stderr. A context manager: it is asked to end, then waited for."""

    def __init__(self, config: Path) -> None:
        self.url = f"http://127.0.0.1:{page_port(config)}/"
        self._config = config
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Daemon:
        self._process = subprocess.Popen([sys.executable, "-m", "minewatch", "run", str(self._config)],
                                         start_new_session=True)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(LEAVE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def outlive(self, enough: threading.Event, seconds: float | None) -> None:
        """Wait for somebody to have seen enough. Raises MineHatError where the daemon ends before."""
        waited = 0.0
        while not enough.wait(0.25):
            waited += 0.25
            if seconds is not None and waited >= seconds:
                return
            self.check()

    def check(self) -> None:
        """Raises MineHatError where it is no more."""
        code = self._process.poll()
        if code is not None:
            raise MineHatError(f"minewatch ended with exit code {code}; its last lines say why.")

    def get(self, path: str) -> bytes | None:
        """What the page answers; None while it doesn't."""
        try:
            with urllib.request.urlopen(self.url.rstrip("/") + path, timeout=HTTP_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except (URLError, OSError):
            return None


def first_event(daemon: Daemon, enough: threading.Event, patience: float) -> str | None:
    """Tells of the first bare head with a snapshot on the page; None where somebody had enough before.

    Raises MineHatError where none comes within `patience` seconds.
    """
    waited = 0.0
    while waited < patience:
        daemon.check()
        for event in _events(daemon):
            if event["kind"] == "bare_head" and daemon.get(f"/media/{event['seq']}/snapshot.jpg"):
                return f"event {event['seq']}, a bare head at {event['camera']}; its snapshot is on the page"
        if enough.wait(0.5):
            return None
        waited += 0.5
    raise MineHatError(f"no event within {patience:.0f} s. See {daemon.url} for what stands in the way.")


def _events(daemon: Daemon) -> list[dict[str, Any]]:
    told = daemon.get("/api/events?after=0&limit=100")
    events: list[dict[str, Any]] = json.loads(told)["events"] if told else []
    return events


def written_config(folder: Path, model: Path, cameras: FaultCam, broker: Broker) -> Path:
    """A configuration for the demo's cameras; its state is fresh. Raises MineHatError where a demo runs there now."""
    path, state = folder.absolute() / "minewatch.yaml", folder.absolute() / "state"
    with owned(state):
        shutil.rmtree(state, ignore_errors=True)
    told = {"version": 1, "site": "MineHat demo", "state": str(state), "model": {"file": str(model)},
            "cameras": [{"name": scene.name, "url": cameras.url(row)} for row, scene in enumerate(SCENES)],
            "sinks": {"mqtt": {"host": "127.0.0.1", "port": broker.port}} if broker.here else {},
            "web": {"listen": f"127.0.0.1:{PAGE if is_free(PAGE) else free_port()}"}}
    write_whole(path, json.dumps(told, indent=2, ensure_ascii=False) + "\n")  # JSON is YAML
    path.chmod(0o600)
    return path


def page_port(config: Path) -> int:
    """As the configuration says."""
    return int(json.loads(config.read_text(encoding="utf-8"))["web"]["listen"].rpartition(":")[2])


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
