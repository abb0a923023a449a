"""The page as the watch holds it: a process of its own, told what to show, started again when it dies or hangs."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..config.schema import Config
from ..logs import logger
from ..status import Status
from .address import address_of
from .messages import Failed, FromPage, Listening, Live, News, Reload, Request, Setup, Viewing, setup_of
from .postbox import Postbox
from .process import serve
from .wire import LONGEST, from_wire

SILENT_SECONDS = 10.0  # a process that said nothing for so long hangs
START_SECONDS = 60.0  # the same while it begins
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # before it is started again
STEADY_SECONDS = 60.0  # that it must have lived for the pause to be short again

log = logger("page")


class Page:
    """Nothing here waits for the process. A page that is switched off in the configuration is simply not started."""

    def __init__(self, config: Config, clock: Clock, path: Path) -> None:
        """path: the configuration's own file. Raises MineHatError where `web.listen` is not to be had."""
        address_of(config.web.listen)
        self._setup = setup_of(config, path)
        self._path, self._clock = path, clock
        self._running: _Running | None = None
        self._next_start, self._pause = float("-inf"), FIRST_PAUSE
        self._stopping = False
        self.url = ""  # where it listens; "" while it doesn't
        self.fault = ""  # why it doesn't
        self._told = ""  # of the faults, to the log
        self.viewed: frozenset[str] = frozenset()  # cameras that somebody looks at now
        self.started = 0  # processes so far

    def waitables(self) -> list[Any]:
        """What `multiprocessing.connection.wait` is to wait for."""
        return [self._running.ear, self._running.process.sentinel] if self._running else []

    def turn(self, now: float) -> list[Request]:
        """Hear the process, and start it where it is not there. now: monotonic."""
        requests = self._hear(now)
        if self._running and not self._running.process.is_alive():
            self._gone(now, self._running.last_words or "the page's process ended")
        elif self._running and now > self._running.silent_after:
            self._running.process.kill()
            self._gone(now, "the page's process hung")
        wanted = self._setup.web.enabled and not self._stopping
        if wanted and self._running is None and now >= self._next_start:
            self._start(now)
        return requests

    def publish(self, status: Status, metrics: bytes) -> None:
        """What is true now. Older news that have not been sent are forgotten."""
        if self._running:
            self._running.post.put("news", News(status, metrics))

    def picture(self, camera: str, jpeg: bytes) -> None:
        """The newest picture of a camera. Wanted of those in `viewed`."""
        if self._running:
            self._running.post.put(f"camera {camera}", Live(camera, jpeg, self._clock.monotonic()))

    def replace(self, config: Config) -> None:
        """Take a new configuration. Raises MineHatError, and keeps the old one, where `web.listen` is wrong."""
        address_of(config.web.listen)
        before, self._setup = self._setup, setup_of(config, self._path)
        if self._running is None:
            return
        fixed = {(one.web.listen, one.state, one.log) for one in (before, self._setup)}
        if len(fixed) > 1 or not self._setup.web.enabled:
            self._leave()
        else:
            self._running.post.put("setup", self._setup)

    def stop(self) -> None:
        """Ask the process to leave; it does so within a second."""
        self._stopping = True
        self._leave()

    def kill(self) -> None:
        """Of what `stop` did not end."""
        if self._running:
            self._running.process.kill()
            self._running.process.join(1)
            self._gone(self._clock.monotonic(), "")

    def _start(self, now: float) -> None:
        self.started += 1
        try:
            self._running = _Running(self._setup, now)
        except OSError as exc:  # no memory, no process or no file to be had now
            self._fail(now, f"the page's process cannot be started: {exc.strerror}")

    def _leave(self) -> None:
        """The process finds the end of its pipe. It is let go of when it has gone."""
        self._next_start, self.fault, self._told = float("-inf"), "", ""
        if self._running:
            self._running.leaving = True
            self._running.post.close()

    def _gone(self, now: float, text: str) -> None:
        assert self._running is not None
        steady = now - self._running.began >= STEADY_SECONDS
        self._pause = FIRST_PAUSE if steady else self._pause
        if not self._running.leaving:
            self._fail(now, text)
        self._running.let_go()
        self._running, self.url, self.viewed = None, "", frozenset()

    def _fail(self, now: float, text: str) -> None:
        """Say so, once for each reason, and begin again after a pause."""
        self._next_start = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self.fault = text
        if text != self._told:
            log.warning("is not served", reason=text)
        self._told = text

    def _hear(self, now: float) -> list[Request]:
        requests: list[Request] = []
        try:
            while self._running and self._running.ear.poll():
                message = from_wire(self._running.ear.recv_bytes(LONGEST))
                self._running.silent_after = now + SILENT_SECONDS
                requests += self._heed(message)
        except EOFError:
            pass  # it is ending, which its sentinel tells
        except (OSError, ValueError):
            assert self._running is not None
            self._running.process.kill()
            self._gone(now, "the page's process said what it never says")
        return requests

    def _heed(self, message: FromPage) -> list[Request]:
        if isinstance(message, Reload):
            return [message]
        if isinstance(message, Viewing):
            self.viewed = frozenset(message.cameras)
        elif isinstance(message, Listening):
            self.url, self.fault, self._told = message.url, "", ""
        elif isinstance(message, Failed) and self._running:
            self._running.last_words = message.text
        return []


class _Running:
    """One process and what leads to it."""

    def __init__(self, setup: Setup, now: float) -> None:
        context = multiprocessing.get_context("spawn")
        their_ear, mouth = context.Pipe(duplex=False)
        self.ear: Connection
        self.ear, their_mouth = context.Pipe(duplex=False)
        self.process = context.Process(target=serve, args=(setup, their_ear, their_mouth), name="minewatch-page",
                                       daemon=True)
        try:
            _start_deaf(self.process)
        finally:
            their_ear.close()
            their_mouth.close()
        self.post = Postbox(mouth)
        self.began, self.silent_after, self.leaving = now, now + START_SECONDS, False
        self.last_words = ""  # why it ends, where it says so

    def let_go(self) -> None:
        self.post.close()
        self.ear.close()
        self.process.join(0.5)  # dead or killed already; only its exit status is fetched
        if self.process.exitcode is not None:
            self.process.close()


def _start_deaf(process: BaseProcess) -> None:
    """Start a process that Ctrl-C does not reach: it is the watch's to heed, from the first moment on."""
    ensure_running()  # or else the start would, and that lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
