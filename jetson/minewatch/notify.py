"""What systemd is told: datagrams to $NOTIFY_SOCKET, and nothing at all where there is none. See sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

LONGEST = 400  # characters of a status line


class Notifier:
    """The socket to the service manager. A manager that cannot be reached is nobody's fault here: nothing raises."""

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """address: a path, or @name for an abstract one. watchdog: seconds within which a sign of life is due."""
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._beaten: float | None = None
        self._status = ""
        if self._socket:
            self._socket.setblocking(False)

    @classmethod
    def of_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Notifier:
        """As systemd asks for it. The variables are taken away, so that no child speaks for the watch."""
        address, usec, pid = (environ.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
        ours = usec.isdecimal() and int(usec) > 0 and pid in ("", str(os.getpid()))
        return cls(address if address[:1] in ("/", "@") else None, int(usec) / 1e6 if ours else None)

    def ready(self) -> None:
        """Start-up, or a reload, is over."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read anew."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The watch ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it changes."""
        line = " ".join(text.split())[:LONGEST]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def beat(self, now: float) -> None:
        """A sign of life, once in a third of the time that the watchdog gives. now: monotonic seconds.

        The loop calls it each time round, and nobody else does: a loop that hangs is silent.
        """
        if self.watchdog and (self._beaten is None or now - self._beaten >= self.watchdog / 3):
            self._beaten = now
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket and self._address:
            with contextlib.suppress(OSError):
                self._socket.sendto(message.encode("utf-8", "replace"), self._address)
