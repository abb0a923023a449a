"""One output line of a GPIO chip, through the kernel's character device, ABI version 2 (Linux 5.10 and later).

Numbers and offsets are of <linux/gpio.h>; a test compares them with what a C compiler makes of that header. No library
is needed, and python3-libgpiod's interface differs between JetPack 6 and 7.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .sink import Undelivered

GET_LINE = 0xC250B407  # GPIO_V2_GET_LINE_IOCTL
SET_VALUES = 0xC010B40F  # GPIO_V2_LINE_SET_VALUES_IOCTL
ACTIVE_LOW, OUTPUT = 1 << 1, 1 << 3
REQUEST = struct.Struct("=64I 32s Q I 5I 240x I I 5I i")  # 592 bytes; 240 of attributes, of which none is used
FD_AT = 588  # bytes into the request, of the line's own descriptor
VALUES = struct.Struct("=QQ")
CURES = {errno.ENOENT: "there is no such chip", errno.EBUSY: "another program holds the line",
         errno.EACCES: "not allowed; add the user to the group gpio", errno.EINVAL: "the chip has no such line",
         errno.ENOTTY: "this is no GPIO chip"}
Ioctl = Callable[[int, int, Any], int]


class GpioLine:
    """Held from the beginning, silent, so that nothing else drives it. Raises Undelivered where it cannot be had."""

    def __init__(self, chip: str, line: int, active_low: bool, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._ioctl = ioctl
        buffer = bytearray(request(line, active_low))
        try:
            handle = os.open(chip, os.O_RDWR | os.O_CLOEXEC)
            try:
                ioctl(handle, GET_LINE, buffer)
            finally:
                os.close(handle)
        except OSError as exc:
            raise Undelivered(f"{chip} line {line}: {CURES.get(exc.errno or 0, exc.strerror)}", slowly=True) from exc
        self._handle: int = struct.unpack_from("=i", buffer, FD_AT)[0]

    def set(self, active: bool) -> None:
        """Sound, or be silent."""
        try:
            self._ioctl(self._handle, SET_VALUES, bytearray(VALUES.pack(int(active), 1)))
        except OSError as exc:
            raise Undelivered(f"the GPIO line cannot be set: {exc.strerror}") from exc

    def close(self) -> None:
        """Silent, then let go."""
        with suppress(Undelivered):
            self.set(False)
        os.close(self._handle)


def request(line: int, active_low: bool) -> bytes:
    """A struct gpio_v2_line_request for one output, inactive at first."""
    flags = OUTPUT | ACTIVE_LOW * active_low
    return REQUEST.pack(line, *[0] * 63, b"minewatch", flags, 0, *[0] * 5, 1, 0, *[0] * 5, 0)
