"""A TCP server of this machine in a thread of its own, that can refuse, stand still and cut its connections."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol, TypeVar

from minehat.errors import MineHatError

HOST = "127.0.0.1"
Itself = TypeVar("Itself", bound="Server")


class Talk(Protocol):
    """One connection."""

    async def hold(self) -> None:
        """Until it ends."""

    def cut(self) -> None:
        """End it without a word."""


class Server(ABC):
    """A context manager; its methods may be called from any thread."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """port: 0 for any free one; it stays the same when listening again. tls: with its certificate, for TLS."""
        self.port, self.tls = port, tls
        self.arrivals: list[float] = []  # time.monotonic() of each connection
        self._talks: set[Talk] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thawed = threading.Event()
        self._thawed.set()
        self._listening: asyncio.Server | None = None
        self._ready: Future[None] = Future()

    @abstractmethod
    def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Talk:
        """How a new connection is dealt with."""

    def __enter__(self: Itself) -> Itself:
        """Raises MineHatError where the port is taken."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="lab", daemon=True)
        self._thread.start()
        try:
            self._ready.result()
        except OSError as exc:
            self._thread.join()
            raise MineHatError(f"port {self.port} cannot be had: {exc.strerror}. Name another one.") from exc
        return self

    def __exit__(self, kind: type[BaseException] | None = None, value: BaseException | None = None,
                 trace: TracebackType | None = None) -> None:
        self._thawed.set()
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def cut(self) -> None:
        """End all connections."""
        self._with_talks(lambda talk: talk.cut())

    def refuse(self, refused: bool = True) -> None:
        """Listen no more, or again at the same port. Connections that stand are left."""
        asyncio.run_coroutine_threadsafe(self._listen(not refused), self._loop).result(5)

    def freeze(self) -> None:
        """Stand still altogether, as a stopped process: the system still takes connections; nothing is read or sent."""
        self._thawed.clear()
        self._loop.call_soon_threadsafe(self._thawed.wait)

    def thaw(self) -> None:
        """Go on."""
        self._thawed.set()

    def _with_talks(self, do: Callable[[Any], None]) -> None:
        """Call `do` with each connection, in the server's thread."""
        async def each() -> None:
            for talk in list(self._talks):
                do(talk)

        asyncio.run_coroutine_threadsafe(each(), self._loop).result(5)

    async def _run(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._listen(True)
        except OSError as exc:
            return self._ready.set_exception(exc)
        self._ready.set_result(None)
        await self._ended.wait()
        await self._listen(False)
        for talk in self._talks:
            talk.cut()
        await asyncio.gather(*self._tasks)

    async def _listen(self, listening: bool) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        if listening:
            self._listening = await asyncio.start_server(self._meet, HOST, self.port, reuse_address=True, backlog=512,
                                                         ssl=self.tls)
            self.port = self._listening.sockets[0].getsockname()[1]

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrivals.append(time.monotonic())
        talk = self.talk(reader, writer)
        task = self._loop.create_task(talk.hold())
        self._talks.add(talk)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._talks.discard(talk))
        task.add_done_callback(self._tasks.discard)
