"""A socket between the watch and a process of its own, over which messages go as pickles."""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

HEAD = struct.Struct("!Q")  # bytes that follow
PIECE = 1 << 16


class Wire:
    """One end. That of the watch never blocks: a process may be stopped in the middle of a message."""

    def __init__(self, end: socket.socket, blocking: bool) -> None:
        self._end, self._come = end, bytearray()
        self.closed = False  # the other end is gone, and all that it said has been heard
        end.setblocking(blocking)

    def fileno(self) -> int:
        """To wait for what comes."""
        return self._end.fileno()

    def send(self, message: object) -> None:
        """Raises OSError where the other end is gone, or, at the watch's end, takes no more."""
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._end.sendall(HEAD.pack(len(body)) + body)

    def receive(self) -> Any:
        """The next message, waited for. Raises EOFError where the other end is gone."""
        while (whole := self._whole()) is None:
            self._hear()
            if self.closed:
                raise EOFError
        return whole[0]

    def received(self) -> list[Any]:
        """All messages that are here by now, without waiting."""
        while not self.closed:
            try:
                self._hear()
            except BlockingIOError:
                break
        messages = []
        while (whole := self._whole()) is not None:
            messages.append(whole[0])
        return messages

    def close(self) -> None:
        """Let go of it. A second call does nothing."""
        self._end.close()

    def _hear(self) -> None:
        try:
            piece = self._end.recv(PIECE)
        except ConnectionError:
            piece = b""
        self._come += piece
        self.closed = not piece

    def _whole(self) -> tuple[Any] | None:
        """The next message, where all of it has come."""
        if len(self._come) < HEAD.size:
            return None
        end = HEAD.size + HEAD.unpack_from(self._come)[0]
        if len(self._come) < end:
            return None
        message = pickle.loads(self._come[HEAD.size:end])
        del self._come[:end]
        return (message,)
