"""What GStreamer's errors mean for a camera."""

from __future__ import annotations

import errno
import socket

from .address import Address
from .messages import Cause
from .source import SourceLost

PROBE = 2.0  # seconds
# what rtspsrc says for developers, and what it means; the first that occurs in it counts
_SAID: tuple[tuple[str, Cause, str], ...] = (
    ("(401)", "auth", "it refuses the user or the password"),
    ("(403)", "forbidden", "it forbids the stream to this user"),
    ("(404)", "not_found", "it has no stream of this path"),
    ("(461)", "format", "it does not send by this transport; try `transport: udp` or `tcp`"),
    ("Timeout while waiting", "timeout", "it does not answer"),
    ("closed the connection", "ended", "it closed the connection"),
    ("Internal data stream error", "broken", "its stream cannot be followed"),
)


def lost(said: str, address: Address) -> SourceLost:
    """The cause of an error. said: GStreamer's text, debug part and all; none of it is told."""
    for mark, cause, meaning in _SAID:
        if mark in said:
            return SourceLost(cause, f"{address.told}: {meaning}")
    if "Failed to connect" in said:
        return unreachable(address)
    return SourceLost("broken", f"{address.told}: the connection broke")


def unreachable(address: Address) -> SourceLost:
    """Why no connection can be made, as one more try tells: GStreamer itself does not."""
    try:
        socket.create_connection((address.host.strip("[]"), address.port), PROBE).close()
    except ConnectionRefusedError:
        return SourceLost("refused", f"{address.told}: it refuses the connection")
    except socket.gaierror:
        return SourceLost("no_route", f"{address.told}: nobody knows this name")
    except TimeoutError:
        return SourceLost("timeout", f"{address.told}: it does not answer")
    except OSError as exc:
        away = exc.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
        return SourceLost("no_route" if away else "broken", f"{address.told}: {exc.strerror}")
    return SourceLost("broken", f"{address.told}: it takes the connection and breaks it")
