"""python -m minebench.lab.faultproxy LISTEN UPSTREAM

A TCP relay of this machine, from port LISTEN to port UPSTREAM, that treats what passes badly. On standard input:

    frozen on      nothing passes, and the connections stay; `off` again
    delay SECONDS  each byte comes later
    rate BYTES     most bytes a second; 0: as many as come
    corrupt SHARE  of the bytes that come from upstream have one bit flipped
    cut            all connections are closed
    reset          all connections end with a reset
    refuse on      no new connections
    quit           as the end of standard input does
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .relay_cli import run
from .server import HOST, Server

CHUNK = 16_384


@dataclass(frozen=True)
class Weather:
    """What happens to bytes on their way."""

    frozen: bool = False
    delay: float = 0.0
    rate: float = 0.0  # bytes a second; 0: no limit
    corrupt: float = 0.0  # share of the bytes from upstream, 0 to 1


class Passage:
    """One client and its connection upstream."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self._ends = [writer]

    async def hold(self) -> None:
        """Until either side goes; then the other one is told."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            upstream, onward = await asyncio.open_connection(HOST, self._proxy.upstream)
            self._ends.append(onward)
            ways = [asyncio.ensure_future(way) for way in (self._pass(self._reader, onward, False),
                                                           self._pass(upstream, self._writer, True))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for end in self._ends:
            end.close()
        for end in self._ends:
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()

    def cut(self) -> None:
        """Close it."""
        for end in self._ends:
            end.transport.abort()

    def reset(self) -> None:
        """End it with a TCP reset on both sides."""
        for end in self._ends:
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, down: bool) -> None:
        """Bytes of one way, each as late as the weather of its arrival wants."""
        clock, queue = asyncio.get_running_loop().time, asyncio.Queue[tuple[float, bytes]](1000)

        async def read() -> None:
            while data := await self._proxy.next_piece(reader, down):
                await queue.put((clock() + self._proxy.weather.delay, data))
            await queue.put((0.0, b""))

        reading = asyncio.ensure_future(read())
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(due - clock())
                while self._proxy.weather.frozen:
                    await asyncio.sleep(0.02)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
                if self._proxy.weather.rate:
                    await asyncio.sleep(len(data) / self._proxy.weather.rate)
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


class FaultProxy(Server):
    """The relay. A context manager; its methods may be called from any thread."""

    def __init__(self, upstream: int, port: int = 0, seed: int = 0) -> None:
        """upstream: a port of this machine."""
        super().__init__(port)
        self.upstream, self.weather = upstream, Weather()
        self._chance = random.Random(seed)

    def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Passage:
        """A connection upstream for each client."""
        return Passage(self, reader, writer)

    def url(self, through: str) -> str:
        """The address of something upstream, as it is reached through here."""
        return through.replace(f":{self.upstream}/", f":{self.port}/")

    def change(self, **changes: Any) -> None:
        """Change the fields of `Weather`."""
        self.weather = replace(self.weather, **changes)

    def reset(self) -> None:
        """End all connections with a TCP reset."""
        self._with_talks(Passage.reset)

    async def next_piece(self, reader: asyncio.StreamReader, down: bool) -> bytes:
        """What passes next, spoilt; b"" at the end. down: it comes from upstream."""
        data = await reader.read(CHUNK)
        return spoilt(data, self.weather.corrupt, self._chance) if down else data


def spoilt(data: bytes, share: float, chance: random.Random) -> bytes:
    """With one bit flipped in that share of the bytes."""
    if not share:
        return data
    return bytes(byte ^ 1 << chance.randrange(8) if chance.random() < share else byte for byte in data)


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    return run(__doc__ or "", FaultProxy, arguments)


if __name__ == "__main__":
    sys.exit(main())
