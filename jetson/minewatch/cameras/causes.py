"""What libav's errors mean for a camera: the cause, and one line that names the place but no secret."""

from __future__ import annotations

import errno
import socket

import av

from .messages import Cause
from .source import SourceLost

NO_ROUTE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)
GONE = (errno.ENODEV, errno.ENXIO, errno.ENOENT)
IN_TIME = 0.8  # share of the time limit, beyond which libav's "invalid data" means that nothing came

STATUS: dict[type[Exception], tuple[Cause, str]] = {
    av.error.HTTPUnauthorizedError: ("auth", "it does not accept this user and password (401)"),
    av.error.HTTPForbiddenError: ("forbidden", "it forbids this user the stream (403)"),
    av.error.HTTPNotFoundError: ("not_found", "it has no such stream (404): the URL's path is wrong"),
    av.error.HTTPServerError: ("refused", "it answers, but cannot serve now (5xx)"),
    av.error.HTTPClientError: ("refused", "it does not accept the request (4xx)"),
    av.error.ConnectionRefusedError: ("refused", "nobody listens there"),
    av.error.TimeoutError: ("timeout", "no answer in time"),
    av.error.ExitError: ("timeout", "no answer in time"),
    av.error.FileNotFoundError: ("missing", "there is no such file"),
    av.error.PermissionError: ("forbidden", "this user may not read it"),
    av.error.ConnectionResetError: ("broken", "it broke the connection"),
    av.error.BrokenPipeError: ("broken", "it broke the connection"),
    av.error.ProtocolNotFoundError: ("forbidden", "it leads to a protocol that is not allowed"),
    av.error.DecoderNotFoundError: ("format", "its codec is not known here"),
    av.error.DemuxerNotFoundError: ("format", "its format is not known here"),
}


def lost_at_open(place: str, error: Exception, seconds: float, limit: float) -> SourceLost:
    """Why it could not be opened. seconds: that were spent. limit: of libav."""
    if isinstance(error, av.error.InvalidDataError) and seconds >= IN_TIME * limit:
        return SourceLost("timeout", f"{place}: it accepts connections, but did not answer in {seconds:.0f} s")
    return lost_by(place, error) or SourceLost("format", f"{place}: what it sends cannot be read")


def lost_in_reading(place: str, error: Exception) -> SourceLost:
    """Why it broke off."""
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return SourceLost("stalled", f"{place}: nothing came any more")
    return lost_by(place, error) or SourceLost("broken", f"{place}: what it sends is broken")


def lost_by(place: str, error: Exception) -> SourceLost | None:
    """What the error itself says; None where it says nothing."""
    for kind, (cause, text) in STATUS.items():
        if isinstance(error, kind):
            return SourceLost(cause, f"{place}: {text}")
    number = getattr(error, "errno", None)
    if number in NO_ROUTE:
        return SourceLost("no_route", f"{place}: no way leads there; is the network up?")
    if number in GONE:
        return SourceLost("unplugged", f"{place}: the device is gone")
    return None


def check_name(host: str, port: int) -> None:
    """Raises SourceLost where the name of a host is not known; libav would say "input/output error"."""
    try:
        socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise SourceLost("no_route", f"{host}: the name is not known here; name the camera by its address") from exc
