"""For tests of sinks: a clock turned by hand, a store with events, a receiver that does as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from minewatch.events.event import Event, Kept
from minewatch.events.store import Store
from minewatch.sinks.bell import Bell
from minewatch.status import Status


class Scripted:
    """A receiver that answers each batch by the next line of its script: how many it confirms, or what it raises."""

    def __init__(self, *script: int | Exception) -> None:
        self.script = list(script)
        self.had: list[int] = []

    def ready(self, bell: Bell) -> None:
        pass

    def deliver(self, events: Sequence[Kept], bell: Bell) -> int:
        answer = self.script.pop(0) if self.script else len(events)
        if isinstance(answer, Exception):
            raise answer
        self.had += [kept.seq for kept in events[:answer]]
        return min(answer, len(events))

    def rest(self, seconds: float, bell: Bell) -> None:
        bell.wait(seconds)

    def show(self, status: Status) -> bool:
        return False

    def close(self) -> None:
        pass


def filled(folder: Path, count: int, **told: Any) -> Store:
    """A store with so many events; close it."""
    store = Store.writer(folder)
    add(store, count, **told)
    return store


def add(store: Store, count: int, **told: Any) -> list[Kept]:
    """So many more events of now."""
    return store.append_all([Event("bare_head", time.time(), **{"camera": "gate", "loud": True, **told})
                             for _ in range(count)])


class Receiver:
    """A real HTTP server; `answer` gets handler and body and does what a receiver does. A context manager."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, bytes], None], port: int = 0, tls: Any = None) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.paths.append(self.path)
                outer.headers.append(self.headers)
                outer.bodies.append(body)
                answer(self, body)

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the sender hung up, as it should

        self._server = Server(("127.0.0.1", port), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def fine(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """204."""
    handler.send_response(204)
    handler.end_headers()
