"""A real mosquitto on loopback, killed and started at will, and somebody who listens to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from minebench.lab.ports import free_port
from minewatch.status import CameraStatus, DetectorStatus, Status, StorageStatus
from paho.mqtt.enums import CallbackAPIVersion
from waiting import eventually

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Broker:
    """One port over all its lives; what it keeps survives them. A context manager."""

    def __init__(self, folder: Path, *lines: str, port: int = 0) -> None:
        if MOSQUITTO is None:
            pytest.skip("mosquitto is not installed")
        self.port = port or free_port()
        folder.mkdir(exist_ok=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join([
            f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/",
            "autosave_on_changes true", "autosave_interval 1", "max_queued_messages 0",
            *(["user root"] if os.geteuid() == 0 else []),
            *(lines or ["allow_anonymous true"])]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """And wait until it listens."""
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", self._config], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        assert eventually(self._listens)

    def kill(self) -> None:
        """As by a power cut."""
        self._end(hard=True)

    def stop(self) -> None:
        """It writes down what it keeps."""
        self._end(hard=False)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It hangs meanwhile: the connections stand, and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._end(hard=True)

    def _end(self, hard: bool) -> None:
        assert self._process is not None
        (self._process.kill if hard else self._process.terminate)()
        self._process.wait(10)
        self._process = None

    def _listens(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Hears all, in a session that the broker keeps for it. A context manager."""

    def __init__(self, port: int, filter_: str = "#", user: str = "", password: str = "",
                 name: str = "listener") -> None:
        self.heard: list[tuple[str, str, bool]] = []  # topic, payload, retained
        self._subscribed = threading.Event()
        self._filter = filter_
        self._client: Any = paho.Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *rest: self._subscribed.set()
        self._client.on_message = self._message
        if user:
            self._client.username_pw_set(user, password)
        self._client.connect("127.0.0.1", port)

    def payloads(self, part: str) -> list[Any]:
        """What came under topics with this part, as JSON."""
        return [json.loads(payload) for topic, payload, _ in self.heard if part in topic]

    def seqs(self) -> list[int]:
        """The events, as they came."""
        return [told["seq"] for told in self.payloads("/events/")]

    def newest(self) -> dict[str, str]:
        """The last payload of each topic."""
        return {topic: payload for topic, payload, _ in self.heard}

    def __enter__(self) -> Listener:
        self._client.loop_start()
        assert self._subscribed.wait(10)
        return self

    def __exit__(self, *exc: object) -> None:
        client, self._client = self._client, None
        client.disconnect()
        client.loop_stop()
        client.on_connect = client.on_subscribe = client.on_message = None  # or it closes its sockets too late

    def _connected(self, client: Any, *rest: Any) -> None:
        client.subscribe(self._filter, qos=1)

    def _message(self, client: Any, data: Any, message: Any) -> None:
        self.heard.append((message.topic, message.payload.decode(), message.retain))


def status_of(*cameras: CameraStatus, watching: bool = True) -> Status:
    """The watch stands so."""
    now = time.time()
    return Status(wall=now, monotonic=time.monotonic(), version="0.1.0", site="north pit", started=now,
                  watching=watching, text="", troubles=(), cameras=cameras, detector=DetectorStatus("ready"),
                  storage=StorageStatus("well"), sinks=())
