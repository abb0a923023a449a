"""A process that has the libraries loaded and forks readers: each starts in milliseconds and shares their memory.

It has no threads, so that forking it is safe, and knows nothing of the watch. Asking it never blocks: a
request waits in its socket until it is ready. When it is dead, the next request starts another; readers live on.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from ..detection.wire import Wire
from . import slots

ENTRY = "from minewatch.cameras.nursery import main; main({})"
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # numpy's would start with the import


class Nursery:
    """Held by the watch, one for all cameras. Memory that killed readers left behind is swept when it is made."""

    def __init__(self) -> None:
        slots.sweep()
        self._process: subprocess.Popen[bytes] | None = None
        self._end: socket.socket | None = None
        self._start()

    def born(self) -> Wire:
        """A wire to a new reader, whose first message will be Born; it waits for a Plan."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._ask(theirs)
            except OSError:  # it is dead, or was stopped long ago
                self._start()
                with suppress(OSError):  # then the wire ends at once, and the camera is tried again later
                    self._ask(theirs)
        return Wire(ours, blocking=False)

    def close(self) -> None:
        """End it; readers leave by their own wires."""
        if self._end is not None:
            self._end.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()  # of a process that holds no device: at once
        self._end = self._process = None

    def _ask(self, theirs: socket.socket) -> None:
        assert self._end is not None
        socket.send_fds(self._end, [b"r"], [theirs.fileno()], socket.MSG_DONTWAIT)

    def _start(self) -> None:
        self.close()
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", ENTRY.format(theirs.fileno())], pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


def main(handle: int) -> None:
    """Fork a reader for each socket that comes, until nobody is there to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the watch's to hear
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # readers are reaped by the kernel
    from . import reader  # loaded here once, for all readers
    gc.freeze()  # or else the collector of each reader would copy what they share
    end = socket.socket(fileno=handle)
    while True:
        try:
            said, handles, *_ = socket.recv_fds(end, 1, 1)
        except ConnectionError:
            said = b""
        if not said:
            os._exit(0)
        if os.fork() == 0:
            end.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            reader.main(handles[0])
        os.close(handles[0])
