"""What came of parts, kept beside the output until all are there, so that a run that was killed goes on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from ..errors import MineHatError
from ..files import ready_folder, write_whole
from .parts import Part
from .stretch import Joint
from .work import Done, Work

FORMAT = 1
OURS = re.compile(r"[0-9a-f]{32}\.jsonl")


class Kept:
    """A folder of finished parts, each known by all that its result depends on: files, stretch, models, thresholds."""

    def __init__(self, folder: Path, work: Work) -> None:
        self._folder = folder
        asked = work.asked
        self._common = {"format": FORMAT, "minehat": work.version, "models": [digest for _, digest in work.models],
                        "card": work.card, "backend": asked.backend, "conf": asked.conf, "iou": asked.iou,
                        "size": asked.size}

    def of(self, part: Part) -> Done | None:
        """What came of it; None where it was not done yet, or its file is no good."""
        try:
            header, *entries = map(json.loads, self._path(part).read_text(encoding="ascii").splitlines())
            if header["part"] != self._identity(part) or header["count"] != len(entries):
                return None
            return Done(tuple(entries), (), tuple(header["said"]), _joint(header["first"]), _joint(header["after"]),
                        header["rising"], header["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, part: Part, done: Done) -> None:
        """Write it whole. Raises MineHatError where that cannot be."""
        header = {"part": self._identity(part), "count": len(done.entries), "said": done.said,
                  "first": done.first and asdict(done.first), "after": done.after and asdict(done.after),
                  "rising": done.rising, "seconds": done.seconds}
        write_whole(self._path(part), "".join(json.dumps(line) + "\n" for line in (header, *done.entries)))

    def clear(self) -> None:
        """All parts are in the output: remove them."""
        for name in os.listdir(self._folder):
            if OURS.fullmatch(name):
                (self._folder / name).unlink()

    def _path(self, part: Part) -> Path:
        return self._folder / f"{hashlib.sha256(self._identity(part).encode()).hexdigest()[:32]}.jsonl"

    def _identity(self, part: Part) -> str:
        files = [[one.name, one.place, stamp] for one, stamp in zip(part.inputs, part.stamps, strict=True)]
        return json.dumps(self._common | {"files": files, "start": part.start, "end": part.end, "seeks": part.seeks})


@contextmanager
def kept_beside(place: str | None, work: Work) -> Iterator[Kept]:
    """The parts of the run whose output is `place`, in the folder PLACE.parts beside it, which goes when it is empty.

    Of a run without a file (None or -) they lie in a folder that goes with it. Raises MineHatError where another run
    uses the folder.
    """
    if place in (None, "-"):
        with tempfile.TemporaryDirectory(prefix="minehat-parts-") as scratch:
            yield Kept(Path(scratch), work)
        return
    folder = ready_folder(f"{place}.parts")
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield Kept(folder, work)
    finally:
        os.close(handle)
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise MineHatError(f"{folder} is another run's, which is not through. Wait for it, or name another "
                           "output.") from exc
    except OSError:  # some network folders know no locks
        pass


def _joint(told: dict[str, float | str] | None) -> Joint | None:
    return None if told is None else Joint(float(told["seconds"]), str(told["digest"]))
