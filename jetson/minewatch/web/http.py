"""The page's HTTP server: uvicorn on a socket that listens already, with deadlines for those who dawdle."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from .app import page_app
from .board import Board
from .messages import FromPage

LONGEST_HEAD = 16384  # bytes of a request before its body


def answer_requests(board: Board, say: Callable[[FromPage], None], ear: socket.socket) -> None:
    """Until the process ends. Not in its first thread: signals are none of its business."""
    asyncio.run(_answering(board, say, ear))


async def _answering(board: Board, say: Callable[[FromPage], None], ear: socket.socket) -> None:
    settings = uvicorn.Config(page_app(board, say), http="h11", loop="asyncio", lifespan="off", ws="none",
                              access_log=False, log_config=None, server_header=False, proxy_headers=False,
                              timeout_keep_alive=15, h11_max_incomplete_event_size=LONGEST_HEAD)
    beat = asyncio.create_task(board.beat())
    await uvicorn.Server(settings).serve(sockets=[ear])
    beat.cancel()
