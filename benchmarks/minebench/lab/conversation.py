"""One client's connection, from its first request to its end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Mapping

from .mount import Mount
from .rtsp import Guard, Request, Transport, read_request, transport_of
from .viewer import Viewer

FULL = 8_000_000  # bytes waiting for a client that does not read; then it is cut


class Conversation:
    """Answers one client and plays to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mounts: Mapping[str, Mount],
                 guard: Guard, note: Callable[[str, str], None]) -> None:
        """note: told each request's method and camera."""
        self._reader, self._writer = reader, writer
        self._mounts, self._guard, self._note = mounts, guard, note
        self._nonce, self._session = secrets.token_hex(16), secrets.token_hex(8)
        self._transport: Transport | None = None
        self._sockets: list[socket.socket] = []
        self._playing: asyncio.Task[None] | None = None
        self.mount: Mount | None = None  # that the client asked for last

    async def hold(self) -> None:
        """Until the client goes."""
        try:
            while request := await read_request(self._reader):
                self._answer(request)
                await self._writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the client went away or speaks something else
        finally:
            await self._stop()
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    def cut(self) -> None:
        """End it without a word."""
        self._writer.transport.abort()

    def _answer(self, request: Request) -> None:
        mount = self.mount = self._mounts.get(request.mount)
        self._note(request.method, request.mount)
        if mount is not None and mount.faults.silent:
            return
        if request.method == "OPTIONS":
            self._say(request, headers={"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"})
        elif mount is None or mount.faults.missing:
            self._say(request, 404)
        elif mount.faults.locked or not self._guard.lets_in(request, self._nonce):
            self._say(request, 401, self._guard.challenge(self._nonce))
        elif mount.faults.redirect:
            self._say(request, 302, {"Location": mount.faults.redirect})
        else:
            self._serve(request, mount)

    def _serve(self, request: Request, mount: Mount) -> None:
        session = {"Session": f"{self._session};timeout=60"}
        if request.method == "DESCRIBE":
            base = {"Content-Base": request.url.rstrip("/") + "/", "Content-Type": "application/sdp"}
            self._say(request, 200, base, mount.description())
        elif request.method == "SETUP":
            self._set_up(request, session)
        elif request.method == "PLAY" and self._transport:
            self._play(request, mount, session)
        elif request.method == "PLAY":
            self._say(request, 454)
        elif request.method == "TEARDOWN":
            self._say(request)
            self._writer.close()
        elif request.method in ("GET_PARAMETER", "SET_PARAMETER"):
            self._say(request, 200, session)
        else:
            self._say(request, 405)

    def _set_up(self, request: Request, session: dict[str, str]) -> None:
        chosen = transport_of(request.headers.get("transport", ""))
        if chosen is None:
            return self._say(request, 461)
        told = f"RTP/AVP/TCP;unicast;interleaved={chosen.first}-{chosen.second}"
        if chosen.udp:
            self._sockets = self._sockets or _port_pair(self._writer.get_extra_info("sockname")[0])
            ports = "-".join(str(one.getsockname()[1]) for one in self._sockets)
            told = f"RTP/AVP;unicast;client_port={chosen.first}-{chosen.second};server_port={ports}"
        self._transport = self._transport or chosen  # of several streams the first one gets the pictures
        self._say(request, 200, {**session, "Transport": told})

    def _play(self, request: Request, mount: Mount, session: dict[str, str]) -> None:
        viewer = Viewer(mount, self._send)
        url = request.url.rstrip("/") + "/track0"
        self._say(request, 200, {**session, "Range": "npt=now-", "RTP-Info": viewer.info(url)})
        if self._playing is None:
            mount.viewers += 1
            self._playing = asyncio.get_running_loop().create_task(viewer.play())

    def _send(self, packets: list[bytes], reports: bool) -> None:
        assert self._transport is not None
        number = self._transport.second if reports else self._transport.first
        if self._transport.udp:
            place = self._writer.get_extra_info("peername")[0], number
            for packet in packets:
                with contextlib.suppress(OSError):  # a full or closed socket: that packet is lost, as on a network
                    self._sockets[reports].sendto(packet, place)
        elif self._writer.transport.get_write_buffer_size() > FULL:
            self.cut()
        elif not self._writer.is_closing():
            self._writer.write(b"".join(b"$" + bytes([number]) + len(one).to_bytes(2, "big") + one for one in packets))

    def _say(self, request: Request, status: int = 200, headers: dict[str, str] | None = None, body: str = "") -> None:
        self._writer.write(request.answer(status, headers, body))

    async def _stop(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._playing
            if self.mount is not None:
                self.mount.viewers -= 1
        for one in self._sockets:
            one.close()


def _port_pair(host: str) -> list[socket.socket]:
    """Two UDP sockets at an even port and the next one, as RTP wants them."""
    for _ in range(100):
        first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        try:
            first.setblocking(False)
            second.setblocking(False)
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((host, port + 1))
                return [first, second]
        except OSError:
            pass
        first.close()
        second.close()
    raise OSError(f"no free pair of UDP ports at {host}")
