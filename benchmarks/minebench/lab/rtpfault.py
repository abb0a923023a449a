"""python -m minebench.lab.rtpfault LISTEN UPSTREAM

A relay for RTSP over TCP that loses and spoils RTP packets, and nothing else: requests, answers and framing stay whole,
as if the packets had come over a bad network. On standard input, besides all that faultproxy obeys:

    drop SHARE     of the RTP packets are lost
    corrupt SHARE  of the RTP packets have one bit of their payload flipped
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .faultproxy import FaultProxy, Weather
from .relay_cli import run

HEAD = 12  # bytes of an RTP header


@dataclass(frozen=True)
class PacketWeather(Weather):
    """`corrupt` is a share of the packets here."""

    drop: float = 0.0


class RtpFault(FaultProxy):
    """The relay. A context manager. The same seed loses the same packets of the same stream."""

    def __init__(self, upstream: int, port: int = 0, seed: int = 0, drop: float = 0.0, corrupt: float = 0.0) -> None:
        super().__init__(upstream, port, seed)
        self.weather: PacketWeather = PacketWeather(drop=drop, corrupt=corrupt)
        self.passed = self.dropped = 0  # RTP packets so far

    async def next_piece(self, reader: asyncio.StreamReader, down: bool) -> bytes:
        """A whole packet, or a whole answer."""
        if not down:
            return await reader.read(4096)
        while first := await reader.read(1):
            if first != b"$":
                return first + await _rest_of_answer(reader)
            head = await reader.readexactly(3)
            packet = await reader.readexactly(int.from_bytes(head[1:], "big"))
            if head[0] % 2 == 1:  # a report
                return first + head + packet
            if self._chance.random() >= self.weather.drop:
                self.passed += 1
                return first + head + self._spoilt(packet)
            self.dropped += 1
        return b""

    def _spoilt(self, packet: bytes) -> bytes:
        if self._chance.random() >= self.weather.corrupt:
            return packet
        bit = self._chance.randrange(8 * HEAD, 8 * len(packet))
        return packet[:bit // 8] + bytes([packet[bit // 8] ^ 1 << bit % 8]) + packet[bit // 8 + 1:]


async def _rest_of_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    return run(__doc__ or "", RtpFault, arguments)


if __name__ == "__main__":
    sys.exit(main())
