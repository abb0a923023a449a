"""The page's HTTP server: uvicorn on a socket that listens already. Who dawdles is let go."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import uvicorn

from ..clock import SystemClock
from ..events.reading import Reader
from .app import page_app
from .board import Board
from .messages import FromPage
from .usher import Usher

LONGEST_HEAD = 16384  # bytes of a request before its body
IDLE_SECONDS = 15  # between two requests of one connection


def answer_requests(board: Board, say: Callable[[FromPage], None], ear: socket.socket) -> None:
    """Until the process ends. Not in its first thread: signals are none of its business."""
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    asyncio.run(_answering(board, say, ear))


async def _answering(board: Board, say: Callable[[FromPage], None], ear: socket.socket) -> None:
    clock = SystemClock()
    app = page_app(board, Reader(board.setup.state), say, clock)
    server = uvicorn.Server(uvicorn.Config(
        app, http="h11", loop="asyncio", lifespan="off", ws="none", access_log=False, log_config=None,
        server_header=False, date_header=True, proxy_headers=False, timeout_keep_alive=IDLE_SECONDS,
        h11_max_incomplete_event_size=LONGEST_HEAD))
    usher = Usher(server.server_state.connections, clock)
    await asyncio.gather(server.serve(sockets=[ear]), board.beat(), usher.walk())
