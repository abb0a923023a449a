"""Events: what the watch has to say, each written to disk before it is sounded."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Literal

from minehat import progress
from minehat.errors import MineHatError
from minehat.files import make_folder

Kind = Literal[
    "watch_began",
    "bare_head",  # an alarm opens
    "bare_head_still",  # it is still open when the cool-down is over
    "bare_head_ended",  # nobody has been seen bare-headed for a while
    "source_stalled",  # no picture comes: the watch is blind
    "source_back",
    "source_failed",  # it could not be opened, or broke off
    "watch_ended",
]


@dataclass(frozen=True)
class Event:
    """One thing that happened at one source. Times are seconds of the video, or of the monotonic clock."""

    kind: Kind
    source: str
    seconds: float  # when it was decided
    began: float  # when what it tells of began
    frame: int | None = None  # index in a video, or of the pictures that a camera gave
    score: float = 0.0  # of the surest bare head, 0 to 1
    box: tuple[float, float, float, float] | None = None  # of that head: x0 y0 x1 y1, pixels of the frame
    count: int = 0  # bare heads seen at once
    loud: bool = False  # to be sounded as an alarm
    remark: str = ""

    def to_json(self) -> str:
        """One line of JSON, with the wall clock's time of writing as `written`."""
        return json.dumps({"written": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                           **asdict(self)}, ensure_ascii=False)

    def __str__(self) -> str:
        parts = ["ALARM" if self.loud else "event", self.kind, self.source, f"at {self.seconds:.2f} s"]
        if self.count:
            parts.append(f"{self.count} bare, score {self.score:.2f}, since {self.began:.2f} s")
        return "  ".join([*parts, self.remark] if self.remark else parts)


class Journal:
    """Appends events to a JSON-lines file, each on disk before `write` returns.

    `path` None keeps no file; "-" is stdout. A line that a power cut left unfinished is closed off.
    """

    def __init__(self, path: str | None) -> None:
        self.name = path
        self._file = None if path is None else sys.stdout.buffer if path == "-" else _opened(Path(path))

    def write(self, event: Event) -> None:
        """Raises OSError when the line is not safely on disk."""
        if self._file is None:
            return
        self._file.write(event.to_json().encode() + b"\n")
        self._file.flush()
        if self.name != "-":
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None and self.name != "-":
            self._file.close()


class Voice:
    """Writes each event to the journal, then sounds it on stderr. A context manager.

    An event that cannot be kept is sounded all the same, and counted in `lost`.
    """

    def __init__(self, path: str | None) -> None:
        self.lost = 0
        self._journal = Journal(path)

    def say(self, event: Event) -> None:
        """Write, then sound. Raises nothing: a full disk or a closed terminal must not end the watch."""
        try:
            self._journal.write(event)
        except OSError as exc:
            self.lost += 1
            progress.say(f"ALARM  {self._journal.name} cannot be written ({exc.strerror or exc}); only said here:")
        progress.say(str(event))

    def __enter__(self) -> Voice:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._journal.close()


def _opened(path: Path) -> IO[bytes]:
    try:
        make_folder(path.parent)
        file = open(path, "a+b", buffering=0)  # noqa: SIM115 - held by the journal
        if file.seek(0, os.SEEK_END) and _last_byte(file) != b"\n":
            file.write(b"\n")
        return file
    except (OSError, MineHatError) as exc:
        reason = str(exc) if isinstance(exc, MineHatError) else f"{exc.strerror or exc}. Name another file."
        raise MineHatError(f"--json {path} cannot be written: {reason}") from exc


def _last_byte(file: IO[bytes]) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)
