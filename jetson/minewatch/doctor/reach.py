"""Does anybody answer at an address? The causes in words that a technician can act on."""

from __future__ import annotations

import errno
import socket

from minehat.errors import MineHatError

AT_ONCE = 16  # asked side by side
PATIENCE = 4.0  # seconds
UNREACHED = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


def connected(host: str, port: int, seconds: float = PATIENCE) -> socket.socket:
    """A TCP connection. Raises MineHatError with the cause and what to do."""
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return socket.create_connection((bare, port), seconds)
    except (socket.gaierror, UnicodeError) as exc:  # the latter for what can be no name at all
        raise MineHatError(f"the name {bare} is not known here. Give its IP address, or see `getent hosts {bare}`.") \
            from exc
    except TimeoutError as exc:
        raise MineHatError(f"{bare} does not answer within {seconds:g} s. Is it on, plugged in and in this network? "
                           f"`ping {bare}`.") from exc
    except ConnectionRefusedError as exc:
        raise MineHatError(f"{bare} is there, and refuses port {port}. Is the port right, and its service switched on?"
                           ) from exc
    except OSError as exc:
        cure = "See cable, switch and `ip route`" if exc.errno in UNREACHED else f"`ping {bare}`"
        raise MineHatError(f"{bare}, port {port}: {exc.strerror or exc}. {cure}.") from exc
