"""RTP: a picture's NAL units cut into packets (RFC 6184, RFC 7798), and sender reports (RFC 3550)."""

from __future__ import annotations

import struct

from .nals import Family

CLOCK = 90_000  # ticks a second
MOST = 1400  # bytes of a payload
TYPE = 96
_NTP_FROM_UNIX = 2_208_988_800  # seconds from 1900 to 1970


def fragments(nal: bytes, family: Family) -> list[bytes]:
    """A unit as it is where it fits one packet, else in fragmentation units."""
    if len(nal) <= MOST:
        return [nal]
    kind, body = family.kind(nal), nal[family.header:]
    head = bytes([nal[0] & 0xE0 | 28] if family.header == 1 else [nal[0] & 0x81 | 49 << 1, nal[1]])
    step = MOST - len(head) - 1
    return [head + bytes([(0x80 if at == 0 else 0) | (0x40 if at + step >= len(body) else 0) | kind]) +
            body[at:at + step] for at in range(0, len(body), step)]


def packet(payload: bytes, number: int, stamp: int, source: int, marker: bool) -> bytes:
    """One RTP packet. number: 16 bits that wrap; stamp: 32 bits that wrap, ticks of CLOCK."""
    return struct.pack(">BBHII", 0x80, marker << 7 | TYPE, number & 0xFFFF, stamp & 0xFFFFFFFF, source) + payload


def sender_report(wall: float, stamp: int, source: int, packets: int, size: int) -> bytes:
    """Tells that `stamp` is the time `wall`, seconds since 1970; with the name that RFC 3550 asks for."""
    seconds = int(wall)
    report = struct.pack(">BBHIIIIII", 0x80, 200, 6, source, (seconds + _NTP_FROM_UNIX) & 0xFFFFFFFF,
                         int((wall - seconds) * 2**32), stamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, size & 0xFFFFFFFF)
    return report + struct.pack(">BBHI", 0x81, 202, 3, source) + b"\x01\x05mount\x00"
