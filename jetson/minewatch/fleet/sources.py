"""Where updates come from: a folder, which may be a stick's, or a server. Nothing they give is believed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from minehat.errors import MineHatError
from minehat.inputs import is_url

from ..sinks.line import trusted
from .refusal import NotTaken

PIECE = 1 << 20  # bytes read at once
PATIENCE = 10.0  # seconds for a server to say anything


@dataclass(frozen=True)
class Login:
    """For servers."""

    user: str = ""
    password: str = ""
    ca: str = ""


class Source(Protocol):
    """One place."""

    def opened(self, path: str, start: int = 0) -> AbstractContextManager[tuple[int, Iterator[bytes]] | None]:
        """From which byte on, and the pieces of a file; None where it is absent. Raises NotTaken."""
        ...


def source_of(place: str, login: Login) -> Source:
    """Of a folder's path or a URL."""
    return Server(place, login) if is_url(place) else Folder(Path(place))


def small(source: Source, path: str, most: int) -> bytes | None:
    """All of a file that must not be longer; None where it is absent. Raises NotTaken."""
    with source.opened(path) as found:
        if found is None:
            return None
        raw = bytearray()
        for piece in found[1]:
            raw += piece
            if len(raw) > most:
                raise NotTaken("source", f"{path} there is longer than {most} bytes; no such file is")
        return bytes(raw)


class Folder:
    """A folder of files. Links in it are not followed, and what is no file is not waited for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def opened(self, path: str, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]] | None]:
        """As Source says."""
        try:
            handle = _descend(self._folder, path.split("/"))
        except FileNotFoundError:
            yield None
            return
        except OSError as exc:
            raise NotTaken("source", f"{self._folder / path}: {exc.strerror}; wanted a file, and no links") from exc
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise NotTaken("source", f"{self._folder / path} is no regular file")
        with open(handle, "rb", buffering=0) as file:
            file.seek(start)
            yield start, _pieces(file, self._folder / path)


def _descend(folder: Path, parts: list[str]) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for depth, part in enumerate(parts, 1):
        kind = os.O_NONBLOCK if depth == len(parts) else os.O_DIRECTORY  # a pipe there is not waited for
        try:
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _pieces(file: Any, path: Path) -> Iterator[bytes]:
    try:
        while piece := file.read(PIECE):
            yield piece
    except OSError as exc:
        raise NotTaken("source", f"{path} cannot be read to its end: {exc.strerror}. Was it pulled out?") from exc


class Server:
    """Files below a URL, by GET. Redirects are not followed, so that the password goes nowhere else."""

    def __init__(self, url: str, login: Login) -> None:
        self._url, self._login = url, login

    @contextmanager
    def opened(self, path: str, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]] | None]:
        """As Source says. A server that knows no ranges gives the file from its beginning."""
        import httpx

        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        try:
            with client_of(self._login) as client, client.stream("GET", f"{self._url}/{quoted(path)}",
                                                                headers=headers) as answer:
                if answer.status_code == 404:
                    yield None
                    return
                if answer.status_code not in (200, 206):
                    raise NotTaken("source", answered(answer.status_code))
                yield start if answer.status_code == 206 else 0, answer.iter_raw()
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise NotTaken("source", told(exc)) from exc


def client_of(login: Login) -> Any:
    """An httpx.Client with limits. Raises NotTaken where the authority's file cannot be read."""
    import httpx

    try:
        tls = trusted(Path(login.ca) if login.ca else None)
    except MineHatError as exc:
        raise NotTaken("place", str(exc)) from exc
    auth = (login.user, login.password) if login.user else None
    return httpx.Client(verify=tls, auth=auth, follow_redirects=False, trust_env=False, timeout=PATIENCE,
                        headers={"User-Agent": "minewatch"})


def answered(status: int) -> str:
    """What a server's refusal means."""
    cure = ("redirects are not followed, name the address itself" if 300 <= status < 400 else
            "see user and password" if status in (401, 403) else "see its own log")
    return f"the server answers {status}: {cure}"


def told(exc: Exception) -> str:
    """Why a server could not be asked, in a few words."""
    import httpx

    if isinstance(exc, httpx.TimeoutException):
        return f"the server said nothing for {PATIENCE:g} s"
    if isinstance(exc, httpx.RemoteProtocolError):
        return "the server broke off in the middle, or speaks no HTTP; what came is kept"
    return f"the server cannot be asked: {str(exc) or type(exc).__name__}"


def quoted(path: str) -> str:
    """A path as part of a URL."""
    from urllib.parse import quote

    return quote(path)
