"""Does the clock tell the time, and who sets it?"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding
from minehat.telemetry.sysfs import text

SOURCES = {"systemd-timesyn": "systemd-timesyncd", "chronyd": "chronyd", "ntpd": "ntpd", "ptp4l": "ptp4l"}  # by comm
UNSYNCHRONISED, DAY = 0x40, 86400.0  # STA_UNSYNC; seconds
WRONG = "Events bear a wrong time"
LEAST_ERROR = 1e-3  # seconds, below which nobody asks


class _Timex(ctypes.Structure):
    """What adjtimex(2) fills in, as far as we read it."""

    _fields_ = (("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
                ("more", ctypes.c_byte * 256))


def kernel_error() -> float | None:
    """Seconds by which the clock may be wrong, as the kernel sees it; None where nobody has set it for long.

    Raises OSError where it does not say.
    """
    told = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told)) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    return None if told.status & UNSYNCHRONISED else float(told.maxerror) / 1e6


def time_source(root: Path, error: Callable[[], float | None] = kernel_error,
                now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Nothing where `root` is another machine. error: as `kernel_error`; now: seconds since 1970."""
    if root != Path("/"):
        return
    try:
        yield look(sources(root), error(), now(), Path(__file__).stat().st_mtime)
    except OSError as exc:
        yield Finding("time", NOTE, f"the kernel does not say who sets the clock ({exc.strerror})", "A container may "
                      "hide it", "Look on the machine itself: `timedatectl`")


def sources(root: Path) -> list[str]:
    """Programs that set the clock and run now. root: the folder that stands for `/`."""
    running = {text(comm) for comm in (root / "proc").glob("[0-9]*/comm")}
    return [name for comm, name in SOURCES.items() if comm in running]


def look(running: list[str], error: float | None, now: float, installed: float) -> Finding:
    """What is to be said. installed: when this program was put here, which is past."""
    who = " and ".join(running)
    if now < installed - DAY:
        return Finding("time", FAULT, f"the clock says {date.fromtimestamp(now)}, and this program came here on "
                       f"{date.fromtimestamp(installed)}", WRONG, "Set it: `sudo timedatectl set-time 'YYYY-MM-DD "
                       "HH:MM:SS'`; a battery for the board's clock keeps it through power cuts")
    if error is not None:
        return Finding("time", WELL, f"set by {who or 'this machine or its host'}, right to "
                       f"{max(error, LEAST_ERROR):.3f} s")
    if running:
        return Finding("time", WARNING, f"{who} runs, and finds nobody who tells the time", f"{WRONG}, more each day",
                       "Name a server of this network (NTP= in /etc/systemd/timesyncd.conf, or `server` in "
                       "/etc/chrony/chrony.conf)")
    return Finding("time", WARNING, "nobody sets the clock", f"{WRONG}, more each day", "Type `sudo timedatectl "
                   "set-ntp true`, with a server of this network as NTP= in /etc/systemd/timesyncd.conf")
