"""Are the cameras there? Each is spoken to, none is opened: `minewatch check CONFIG --cameras` looks through them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from minehat.doctor import FAULT, NOTE, WARNING, WELL, Finding, looked_at
from minehat.errors import MineHatError
from minehat.inputs import is_url

from ..cameras.address import Address, address_of
from ..config.schema import CameraPart, Config
from .reach import AT_ONCE, PATIENCE, connected
from .state import below

ENOUGH = 64  # bytes of an answer's first line
BLIND = "It is not watched meanwhile"
RTSP = b"RTSP/"


def cameras(root: Path, config: Config) -> Iterator[Finding]:
    """One line each. root: the folder that stands for `/`, where those lie that are devices or files."""
    yield from looked_at([(f"camera {part.name}", partial(camera, root, part)) for part in config.cameras], AT_ONCE)


def camera(root: Path, part: CameraPart, seconds: float = PATIENCE) -> Iterator[Finding]:
    """One camera. seconds: for it to take a connection, and again to answer."""
    what = f"camera {part.name}"
    if not part.enabled:
        yield Finding(what, NOTE, "switched off in the configuration", BLIND, "`enabled: true` switches it on")
    elif is_url(part.url):
        yield _stream(what, part, seconds)
    else:
        yield _device(what, below(root, Path(part.url)))


def _stream(what: str, part: CameraPart, seconds: float) -> Finding:
    try:
        address = address_of(part.url)
        with connected(address.host, address.port, seconds) as line:
            if address.scheme == "rtsps":
                return Finding(what, WELL, f"{address.told} takes connections")
            said = _asked(line, address)
    except MineHatError as exc:
        found, _, cure = str(exc).partition(". ")
        return Finding(what, FAULT, found, BLIND, cure)
    except OSError:
        said = b""
    if said.startswith(RTSP):
        return Finding(what, WELL, f"{address.told} answers")
    if said:
        return Finding(what, WARNING, f"{address.told} answers, and not as a camera does", BLIND, "Its manual "
                       "names the port of RTSP, as a rule 554")
    return Finding(what, FAULT, f"{address.told} takes connections and does not answer", BLIND, "It hangs: restart it")


def _asked(line: socket.socket, address: Address) -> bytes:
    """The beginning of what it says to OPTIONS, which wants no password and starts no stream."""
    line.sendall(f"OPTIONS {address.open_url} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: minewatch-doctor\r\n\r\n".encode())
    return line.recv(ENOUGH)


def _device(what: str, path: Path) -> Finding:
    """A device, a video or a folder."""
    is_device = "dev" in path.parts
    if not path.exists():
        cure = "Plug it in; `ls /dev/v4l/by-id` shows who is there" if is_device else "Name a video or folder"
        return Finding(what, FAULT, f"{path} is not there", BLIND, cure)
    if not os.access(path, os.R_OK):
        cure = "`sudo usermod -aG video $USER`, then log in anew" if is_device else f"`sudo chmod +r {path}`"
        return Finding(what, FAULT, f"{path} is closed to this user", BLIND, cure)
    return Finding(what, WELL, f"{path} is there")
