"""The page's own process: hears the watch through a pipe, answers requests, leaves when the watch is gone."""

from __future__ import annotations

import os
import signal
import socket
import threading
from multiprocessing.connection import Connection

from minehat.errors import MineHatError

from .. import logs
from ..clock import SystemClock
from ..redact import Redactor
from .address import address_of, found, listening
from .board import Board
from .messages import Failed, FromPage, Listening, Setup, Viewing
from .wire import to_wire

TELL_SECONDS = 1.0
NICE = 5  # a page that is much asked for takes nothing from those who watch


def serve(setup: Setup, ear: Connection, mouth: Connection) -> None:
    """Until the watch closes the pipe. The signals of a terminal are the watch's to heed."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    logs.set_up(setup.log, Redactor(user.password_hash for user in setup.users), child=True)
    up = Upward(mouth)
    address = address_of(setup.web.listen)
    try:
        socket_ = listening(address)
    except MineHatError as exc:
        up.say(Failed(str(exc)))
        os._exit(2)
    board = Board(setup, SystemClock())
    threading.Thread(target=_answer, args=(board, up, socket_), name="page-http", daemon=True).start()
    url = found(socket_, address).url
    up.say(Listening(url))
    logs.logger("page").info("listens", url=url)
    _hear(board, ear, up)
    os._exit(0)


class Upward:
    """The pipe to the watch; several threads may speak."""

    def __init__(self, mouth: Connection) -> None:
        self._mouth, self._lock = mouth, threading.Lock()

    def say(self, message: FromPage) -> None:
        """Small enough to go out in one piece. Where the watch is gone, so is this process."""
        try:
            with self._lock:
                self._mouth.send_bytes(to_wire(message))
        except OSError:
            os._exit(0)


def _hear(board: Board, ear: Connection, up: Upward) -> None:
    """Whatever the watch says, until it says nothing more. While requests are answered it is told who looks at what."""
    told: tuple[str, ...] | None = None
    told_at = float("-inf")
    clock = SystemClock()
    try:
        while True:
            if ear.poll(TELL_SECONDS / 4):
                board.take(ear.recv())
            viewed, now = board.viewed(), clock.monotonic()
            if board.answering and (viewed != told or now - told_at >= TELL_SECONDS):
                up.say(Viewing(viewed))
                told, told_at = viewed, now
    except (EOFError, OSError):
        pass  # the watch is gone


def _answer(board: Board, up: Upward, ear: socket.socket) -> None:
    try:
        from .http import answer_requests

        answer_requests(board, up.say, ear)
    finally:
        os._exit(1)
