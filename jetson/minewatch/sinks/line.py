"""A line to a receiver that ends at its deadline, whoever drips or hangs, and at once when the bell stops."""

from __future__ import annotations

import io
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

from minehat.errors import MineHatError

from ..clock import Clock
from .bell import Bell


class Deadline:
    """Until when all must be done. Raises TimeoutError then, InterruptedError when the bell stops."""

    def __init__(self, seconds: float, clock: Clock, bell: Bell) -> None:
        self._seconds, self._clock, self._bell = seconds, clock, bell
        self._ends = clock.monotonic() + seconds

    def check(self) -> float:
        """Seconds left."""
        left = self._ends - self._clock.monotonic()
        if self._bell.stopped:
            raise InterruptedError("the watch is ending")
        if left <= 0:
            raise TimeoutError(f"no answer within {self._seconds:g} s")
        return left

    def await_socket(self, sock: socket.socket, reading: bool) -> None:
        """Wait until it can be read, or else written."""
        ready = False
        while not ready:
            ready = any(self._bell.wait(self.check(), sock, reading=reading, writing=not reading))

    def repeat(self, sock: socket.socket, act: Callable[[], int | None], sends: bool = False) -> int:
        """Do something on a socket that does not block, as soon as it can be done."""
        while True:
            try:
                return act() or 0
            except ssl.SSLWantReadError:
                self.await_socket(sock, reading=True)
            except ssl.SSLWantWriteError:
                self.await_socket(sock, reading=False)
            except BlockingIOError:
                self.await_socket(sock, reading=not sends)


def dial(host: str, port: int, deadline: Deadline, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A connected socket that does not block, TLS agreed on. Raises OSError; tries all addresses of the host."""
    last: OSError = ConnectionError(f"{host} has no address")
    for family, kind, proto, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, proto)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _connect(sock, address, deadline)
            return _agree(sock, host, deadline, tls) if tls else sock
        except (TimeoutError, InterruptedError, ssl.SSLError):
            sock.close()
            raise
        except OSError as exc:
            sock.close()
            last = exc
    raise last


def trusted(ca: Path | None) -> ssl.SSLContext:
    """Certificates must be of this authority (of the system's where none is named), and bear the host's name.

    Raises MineHatError where the authority's file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as exc:
        raise MineHatError(f"{ca}: no certificates can be read from it: {told(exc)}. Name a .pem.") from exc


def told(exc: OSError) -> str:
    """Why a line failed, in a few words."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {exc.verify_message}"
    if isinstance(exc, ssl.SSLError):
        return f"TLS failed: {exc.reason or exc}"
    if isinstance(exc, socket.gaierror):
        return f"the host's name is not known: {exc.strerror}"
    return exc.strerror or str(exc)


class Line:
    """What http.client takes for a socket, whose owner closes it: at most `most` bytes are read in all."""

    def __init__(self, sock: socket.socket, deadline: Deadline, most: int) -> None:
        self._sock, self._deadline, self._most = sock, deadline, most

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._deadline.repeat(self._sock, partial(self._sock.send, rest), sends=True):]

    def makefile(self, mode: str) -> io.BufferedReader:
        """The reading end."""
        return io.BufferedReader(_Reading(self._sock, self._deadline, self._most))

    def close(self) -> None:
        """Left to the owner; http.client closes its socket while the answer is still being read."""


class _Reading(io.RawIOBase):
    """Raises ConnectionError after too many bytes."""

    def __init__(self, sock: socket.socket, deadline: Deadline, most: int) -> None:
        self._sock, self._deadline, self._left = sock, deadline, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._left <= 0:
            raise ConnectionError("it answers with too much")
        view = memoryview(buffer)[:self._left]
        count = self._deadline.repeat(self._sock, partial(self._sock.recv_into, view))
        self._left -= count
        return count


def _connect(sock: socket.socket, address: object, deadline: Deadline) -> None:
    try:
        sock.connect(address)  # type: ignore[arg-type]
    except BlockingIOError:
        deadline.await_socket(sock, reading=False)
        if fault := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(fault, os.strerror(fault)) from None


def _agree(sock: socket.socket, host: str, deadline: Deadline, tls: ssl.SSLContext) -> socket.socket:
    wrapped = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        deadline.repeat(wrapped, wrapped.do_handshake)
    except BaseException:
        wrapped.close()
        raise
    return wrapped
