"""What a value must be beyond its type. Each takes the value and gives it back, or raises ValueError saying why not."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from minehat.inputs import is_url, without_secrets

from .passwords import is_hash

CAMERA_SCHEMES, WEB_SCHEMES = ("rtsp", "rtsps"), ("http", "https")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
SMALLEST = 1e-4  # area of a zone, of the picture's
Points = Sequence[tuple[float, float]]


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str: ...


class Twice(ValueError):
    """Told of a list, meant of one place in it."""

    def __init__(self, text: str, at: tuple[str | int, ...]) -> None:
        super().__init__(text)
        self.at = at


class Together(ValueError):
    """Told of several keys of a mapping, and not meant where one of them was wrong by itself."""

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys


def camera_url(text: str) -> str:
    """A camera's URL, a device, or the path of a video or folder."""
    if not text or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("found nothing that can be opened; wanted rtsp://..., /dev/..., a video or a folder")
    if text != text.strip():
        raise ValueError("found a space before or after it; wanted none there")
    if not is_url(text):
        return text
    _check_url(text, CAMERA_SCHEMES, "; a device, video or folder is named by its path alone")
    return text


def path(text: str) -> str:
    """The path of a file or folder."""
    if text == "." or len(text.encode()) > 1024 or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("found no path; wanted the name of a file or folder, absolute or beside this file")
    return text


def web_url(text: str) -> str:
    """An http(s) URL."""
    _check_url(text, WEB_SCHEMES)
    return text


def place(text: str, base: Path | None) -> str:
    """A folder, absolute where `base` tells what it lies beside, or an http(s) URL that holds no password."""
    if not is_url(text):
        return path(text) if base is None else str(base / path(text))
    _check_url(text, WEB_SCHEMES, "; a folder is named by its path alone")
    if "@" in text or "?" in text or "#" in text:
        raise ValueError("found @, ? or # in it; wanted a plain address, with `user` and `password` beside it")
    return text.rstrip("/")


def loopback(text: str) -> str:
    """Where the page may listen: ADDRESS:PORT of this machine alone, port 0 for any free one, or unix:/PATH."""
    if text.startswith("unix:"):
        if not text.startswith("unix:/") or len(text.encode()) > 105:
            raise ValueError(f"found {text!r}; wanted unix: and an absolute path of at most 100 bytes")
        return text
    host, _, port = text.rpartition(":")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"found {text!r}; wanted ADDRESS:PORT as 127.0.0.1:8787, or unix:/run/minewatch/page.sock")
    if host != "localhost" and not _is_loopback(host.strip("[]")):
        raise ValueError(f"found {text!r}, which others can reach; wanted 127.0.0.1:{port}. For others put the "
                         "shipped nginx configuration before it, with TLS, and name `web.users`")
    return text


def host(text: str) -> str:
    """The name or address of a machine."""
    if is_url(text):
        raise ValueError(f"found {without_secrets(text)!r}; wanted the host's name alone"
                         + (f" (did you mean {urlsplit(text).hostname!r}?)" if "@" not in text else ""))
    if not HOST.fullmatch(text) and not _is_address(text.strip("[]")):
        raise ValueError(f"found {text!r}; wanted a host's name or address, without a port")
    return text


def topic(text: str) -> str:
    """An MQTT topic to begin with."""
    if not text or len(text.encode()) > 200 or re.search(r"[+#\x00-\x1f\x7f]", text) or text[0] in "/$":
        raise ValueError(f"found {text[:60]!r}; wanted a topic of 1 to 200 bytes as mine/watch, without + and #, that "
                         "does not begin with / or $")
    if text.endswith("/"):
        raise ValueError(f"found {text!r}; wanted it without / at its end (did you mean {text.rstrip('/')!r}?)")
    return text


def password_hash(text: str) -> str:
    """A hash of ours."""
    if not is_hash(text):
        raise ValueError("found no password hash of ours; wanted a line that `minewatch hash-password` printed")
    return text


def unique(parts: tuple[Named, ...]) -> tuple[Named, ...]:
    """No name twice, small and capital letters being alike."""
    seen: dict[str, int] = {}
    for row, part in enumerate(parts):
        first = seen.setdefault(part.name.casefold(), row)
        if first != row:
            raise Twice(f"found {part.name!r} a second time; wanted a name of its own for each", (row, "name"))
    return parts


def polygon(points: Points) -> Points:
    """A polygon that has an area and does not cross itself."""
    count = len(points)
    if points[0] == points[-1]:
        raise ValueError("the last point repeats the first one; leave it out, the polygon closes by itself")
    if len(set(points)) < count:
        again = next(row for row in range(count) if points[row] in points[:row])
        raise ValueError(f"point {again} repeats point {points.index(points[again])}; leave it out")
    sides = [(points[row], points[(row + 1) % count]) for row in range(count)]
    for one in range(count):
        for other in range(one + 1, count):
            if _meet(sides[one], sides[other], beside=other - one in (1, count - 1)):
                raise ValueError(f"the side from point {one} crosses the one from point {other}; wanted the corners in "
                                 "the order in which one walks around")
    if abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)) / 2 < SMALLEST:
        raise ValueError("it has no area; wanted corners as shares of the picture's width and height, 0 to 1")
    return points


def close_to(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where none is like it."""
    found = closest(word, known)
    return f" (did you mean {found!r}?)" if found else ""


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """The known word that is most like this one; "" where none is at all."""
    by_small = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(word.casefold(), by_small, 1, likeness)
    return by_small[found[0]] if found else ""


def _check_url(text: str, schemes: tuple[str, ...], more: str = "") -> None:
    scheme = text.partition("://")[0].lower() if is_url(text) else ""
    if scheme not in schemes:
        shown = f"{scheme}://" if scheme else repr(without_secrets(text)[:60])
        wanted = " or ".join(f"{one}://" for one in schemes)
        raise ValueError(f"found {shown}; wanted {wanted}{more}{close_to(scheme, schemes)}")
    authority = text.partition("://")[2].rpartition("@")[2]  # of a password with / or @ in it, only what follows
    authority = re.split("[/?#]", authority, maxsplit=1)[0]
    name, port = _split_port(authority)
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise ValueError("found a space or a control character in it; wanted %20 for a space")
    if not (HOST.fullmatch(name) or _is_address(name.strip("[]"))):
        raise ValueError(f"found {name!r} as its host; wanted {scheme}://HOST/...")
    if port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise ValueError(f"found port {port!r}; wanted 1 to 65535")


def _split_port(authority: str) -> tuple[str, str]:
    if authority.startswith("["):
        name, _, port = authority.partition("]")
        return name + "]", port.removeprefix(":")
    name, _, port = authority.partition(":")
    return name, port


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    return _is_address(text) and ipaddress.ip_address(text.partition("%")[0]).is_loopback


def _meet(one: Points, other: Points, beside: bool) -> bool:
    """Whether two sides have a point in common; two that follow each other, more than the corner they share."""
    (a, b), (c, d) = one, other
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if beside:
        shared = a if a in (c, d) else b
        ends = [point for point in (a, b, c, d) if point != shared]
        return len(ends) == 2 and not any(turns) and _between(shared, *ends) is False
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    return any(turn == 0 and _within(end, side) for turn, end, side in
               zip(turns, (c, d, a, b), (one, one, other, other), strict=True))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> int:
    """1 where c lies to one side of the line from a to b, -1 to the other, 0 on it."""
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0 if abs(cross) < 1e-12 else 1 if cross > 0 else -1


def _between(middle: tuple[float, float], one: tuple[float, float], other: tuple[float, float]) -> bool:
    return sum((one[axis] - middle[axis]) * (other[axis] - middle[axis]) for axis in (0, 1)) <= 0


def _within(point: tuple[float, float], side: Points) -> bool:
    return all(min(side[0][axis], side[1][axis]) <= point[axis] <= max(side[0][axis], side[1][axis])
               for axis in (0, 1))
