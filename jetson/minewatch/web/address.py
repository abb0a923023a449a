"""Where the page listens: on loopback or on a Unix socket, never on the network."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from minehat.errors import MineHatError

CURE = ("Say 127.0.0.1:8787, [::1]:8787 or unix:/run/minewatch/page.sock; others reach the page through the nginx that "
        "is shipped with it, with TLS and a login.")


@dataclass(frozen=True)
class Address:
    """A loopback address and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0  # 0: any free one
    path: str = ""

    @property
    def url(self) -> str:
        """For people and their browsers."""
        return f"unix:{self.path}" if self.path else f"http://{self._shown_host}:{self.port}/"

    @property
    def _shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def address_of(listen: str) -> Address:
    """What `web.listen` says. Raises MineHatError for what is no address, and for one that the network can reach."""
    if listen.startswith("unix:"):
        path = listen[len("unix:"):]
        if not path.startswith("/"):
            raise MineHatError(f"web.listen: {listen} is no absolute path. {CURE}")
        return Address(path=path)
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise MineHatError(f"web.listen: {listen} is no address and port. {CURE}")
    host = host.removeprefix("[").removesuffix("]")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError as exc:
        raise MineHatError(f"web.listen: {host or listen} is no IP address. {CURE}") from exc
    if not loopback:
        raise MineHatError(f"web.listen: {listen} can be reached from the network, without TLS. {CURE}")
    return Address(host, int(port))


def listening(address: Address) -> socket.socket:
    """A socket that listens there. Raises MineHatError where the place is taken."""
    family = socket.AF_UNIX if address.path else socket.AF_INET6 if ":" in address.host else socket.AF_INET
    protocol = 0 if address.path else socket.IPPROTO_TCP  # named, for else asyncio leaves Nagle's delay of 40 ms on
    ear = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        if address.path:
            _bind_path(ear, Path(address.path))
        else:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind((address.host, address.port))
        ear.listen(512)
    except OSError as exc:
        ear.close()
        raise MineHatError(f"the page cannot listen on {address.url}: {exc.strerror or exc}. "
                           "Name another address as web.listen, or end the program that holds it.") from exc
    return ear


def found(ear: socket.socket, address: Address) -> Address:
    """The address with the port that it has come to be."""
    return address if address.path else Address(address.host, int(ear.getsockname()[1]))


def _bind_path(ear: socket.socket, path: Path) -> None:
    """For the owner and the group alone. A socket of a run before, that nobody answers on, gives way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) != 0:
                path.unlink()
    before = os.umask(0o117)
    try:
        ear.bind(str(path))
    finally:
        os.umask(before)
