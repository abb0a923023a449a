"""What the watch says of itself: JSON lines on stderr, one short line each on a terminal, and a file of bounded size.

Lines of libraries that use `logging` go the same way; no secret passes. `log = logs.logger("cameras")`, then
`log.warning("has stalled", camera="Stollen 3", seconds=2.4)`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from types import TracebackType
from typing import Any

import structlog

from .config.schema import LogPart
from .events.event import iso
from .log_file import CappedFile

Hide = Callable[[str], str]
LONGEST = 8000  # characters of one value
WAITING = 10_000  # lines that may wait for a slow disk; more are dropped and counted
FIRST = ("time", "level", "part", "event")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
QUIET = {"uvicorn.access": logging.WARNING, "httpx": logging.WARNING, "httpcore": logging.WARNING}


def logger(part: str) -> structlog.stdlib.BoundLogger:
    """The voice of a part of the watch. Lines go nowhere special until `set_up` was called."""
    voice: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"minewatch.{part}")
    return voice


def set_up(part: LogPart, hide: Hide, child: bool = False) -> Logs:
    """Lead all lines of this process to stderr and the file. `hide` is a Redactor.

    So does the traceback of what nobody catches. In the main process a thread writes, so that no slow disk holds
    up the loop; a child writes by itself and leaves it to the main process to cap the file.
    """
    return Logs(part, hide, child)


class Logs:
    """Where lines go, until `close`, which writes what still waits."""

    def __init__(self, part: LogPart, hide: Hide, child: bool = False) -> None:
        self.hide = hide
        self.dropped = 0  # lines, because the disk was too slow
        self._file = _file_of(part, child)
        self._terminal = bool(sys.stderr and sys.stderr.isatty())
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue(WAITING)
        self._writer = None if child else threading.Thread(target=self._write_all, name="log", daemon=True)
        self._handler = _Lines(self)
        if self._writer:
            self._writer.start()
        _lead_to(self._handler, part.level.upper())
        sys.excepthook = self._crash
        threading.excepthook = lambda crash: self._crash(crash.exc_type, crash.exc_value, crash.exc_traceback)

    def __enter__(self) -> Logs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lost(self) -> int:
        """Lines that never came to be written, anywhere or into the file."""
        return self.dropped + (self._file.lost if self._file else 0)

    def take(self, fields: Mapping[str, Any]) -> None:
        """One line, from whichever thread."""
        lines = self._lines(fields)
        if not self._writer:
            self._write(*lines)
            return
        try:
            self._waiting.put_nowait(lines)
        except queue.Full:
            self.dropped += 1

    def replace(self, part: LogPart) -> None:
        """After a reload: another level, another file."""
        before, self._file = self._file, _file_of(part, self._writer is None)
        if before:
            before.close()
        logging.getLogger().setLevel(part.level.upper())

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so long, and let go of the file."""
        if self._handler in logging.getLogger().handlers:  # nobody has taken over
            logging.getLogger().removeHandler(self._handler)
            sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
        if self._writer and self._writer.is_alive():
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=seconds)
            self._writer.join(seconds)
        if self._file:
            self._file.close()

    def _lines(self, fields: Mapping[str, Any]) -> tuple[str, str]:
        """What the file gets, and what stderr does."""
        plain = {self.hide(str(key)): _plain(value, self.hide) for key, value in fields.items()}
        line = json.dumps(plain, ensure_ascii=False)
        return line, _human(plain) if self._terminal else line

    def _crash(self, kind: type[BaseException], trouble: BaseException | None, where: TracebackType | None) -> None:
        """The traceback of what nobody caught, without secrets, written at once: the process may end here."""
        if issubclass(kind, SystemExit):
            return
        record = logging.LogRecord("minewatch", logging.CRITICAL, "", 0, f"ended by {kind.__name__}", None,
                                   (kind, trouble or kind(), where))
        self._write(*self._lines(_fields_of(record)))

    def _write_all(self) -> None:
        while (lines := self._waiting.get()) is not None:
            self._write(*lines)

    def _write(self, line: str, shown: str) -> None:
        self._show(shown)
        if file := self._file:
            before = file.fault
            file.write(line + "\n")
            if file.fault and file.fault != before:
                fields = {"time": iso(time.time()), "level": "error", "part": "logs",
                          "event": f"{file.path} cannot be written to: {file.fault}"}
                self._show(self._lines(fields)[1])

    def _show(self, shown: str) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # of a full disk, a reader who left, a closed stream
                sys.stderr.write(shown + "\n")
                sys.stderr.flush()


class _Lines(logging.Handler):
    """Makes one mapping of a record, whether structlog or a library said it."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._logs.take(_fields_of(record))
        except Exception as exc:  # a line that cannot be told must not end what it tells of
            with contextlib.suppress(Exception):
                self._logs.take({"time": iso(record.created), "level": "error", "part": "logs",
                                 "event": f"a line could not be written: {type(exc).__name__}"})


def _file_of(part: LogPart, child: bool) -> CappedFile | None:
    return CappedFile(part.file, part.megabytes * 1_000_000, rotates=not child) if part.file else None


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    told: Any = record.msg
    told = told if isinstance(told, Mapping) else {"event": record.getMessage()}
    fields = {"time": iso(record.created), "level": record.levelname.lower(),
              "part": record.name.removeprefix("minewatch."), "event": told.get("event", "")}
    fields |= {key: value for key, value in told.items() if key not in FIRST}
    if record.exc_info and record.exc_info[0]:
        fields["exception"] = logging.Formatter().formatException(record.exc_info)
    return fields


def _plain(value: Any, hide: Hide) -> Any:
    """As JSON has it, texts without secrets."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return round(value, 6) if abs(value) < 1e300 else str(value)
    if isinstance(value, Mapping):
        return {hide(str(key)): _plain(each, hide) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, hide) for each in value]
    return hide(value if isinstance(value, str) else str(value))[:LONGEST]


def _human(plain: Mapping[str, Any]) -> str:
    """`10:20:44 warning cameras: has stalled camera='Stollen 3'`, on one line whatever it holds."""
    moment = datetime.now().strftime("%H:%M:%S")
    more = "".join(f" {key}={_quoted(value)}" for key, value in plain.items() if key not in FIRST)
    level = "" if plain["level"] == "info" else f"{plain['level']} "
    return CONTROL.sub(" ", f"{moment} {level}{plain['part']}: {plain['event']}{more}")


def _quoted(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or " " in text else text


def _lead_to(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for before in root.handlers[:]:
        if isinstance(before, _Lines):
            root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)
    logging.captureWarnings(True)


def _keep_fields(_: Any, __: str, fields: MutableMapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """structlog's last step: the fields themselves are the message; an exception goes beside them."""
    trouble = fields.pop("exc_info", None)
    return (dict(fields),), {"exc_info": trouble} if trouble else {}


structlog.configure(processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars,
                                _keep_fields],
                    logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
                    cache_logger_on_first_use=True)
