"""H.264 and H.265 streams as NAL units: which is which, and an SPS that claims to be far too large."""

from __future__ import annotations

import re
from dataclasses import dataclass

START = re.compile(b"\x00\x00\x00?\x01")


@dataclass(frozen=True)
class Family:
    """What differs between the two."""

    header: int  # bytes at the head of each unit
    sets: tuple[int, ...]  # types of the parameter sets, in the order that decoders want them
    slices: range  # types that hold picture data

    def kind(self, nal: bytes) -> int:
        """The unit's type."""
        return nal[0] & 0x1F if self.header == 1 else nal[0] >> 1 & 0x3F


FAMILIES = {"h264": Family(1, (7, 8), range(1, 6)), "hevc": Family(2, (32, 33, 34), range(0, 32))}


def units(stream: bytes) -> list[bytes]:
    """The NAL units of Annex B bytes, without their start codes."""
    return [nal for nal in START.split(stream) if nal]


def giant_sps(side: int) -> bytes:
    """An H.264 baseline SPS of a picture of side x side pixels, a multiple of 16."""
    blocks = _ue(side // 16 - 1)
    bits = _ue(0) + _ue(0) + _ue(2) + _ue(1) + "0" + blocks + blocks + "1100" + "1"
    bits += "0" * (-len(bits) % 8)
    return guarded(bytes([0x67, 66, 0xC0, 62]) + int(bits, 2).to_bytes(len(bits) // 8, "big"))


def guarded(nal: bytes) -> bytes:
    """With the bytes that keep start codes from showing up inside."""
    return re.sub(b"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", nal)


def _ue(value: int) -> str:
    """Exponential Golomb code, as the standard writes unsigned numbers."""
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits
