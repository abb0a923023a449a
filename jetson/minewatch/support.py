"""minewatch support: one file for whoever helps from afar, with all that they would ask for and no secret in it."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from minehat.errors import MineHatError
from minehat.files import written_whole

from .clock import Clock, SystemClock
from .config.load import read_partly
from .config.shown import shown, words_of
from .events.event import iso
from .events.reading import read_store
from .machine_facts import log_tail, machine, page, versions
from .owner import as_owner_of
from .redact import Redactor

DAY = 86400.0  # seconds of events
MOST_EVENTS = 5000
MOST_BYTES = 2_000_000  # of one part; a longer one loses its beginning
ABOUT = {"config.json": "the configuration, without comments and secrets", "mistakes.txt": "what is wrong in it",
         "log.txt": "the last lines of the log", "status.json": "how the watch says that it stands",
         "ready.json": "whether it watches", "metrics.txt": "its figures",
         "events.jsonl": "events of the last day, without pictures", "versions.json": "what is installed",
         "machine.json": "kernel, memory, disks, temperatures, load"}
Part = Callable[[], str]


def support_bundle(path: str | os.PathLike[str], out: str | os.PathLike[str], clock: Clock | None = None) -> list[str]:
    """Write OUT.tar.gz about the watch of a configuration, right or wrong, running or not; return what is inside.

    Raises MineHatError where the configuration cannot be read or the bundle not be written.
    """
    path, clock = Path(path), clock or SystemClock()
    tree, config, mistakes = read_partly(path)
    hide = Redactor({*(words_of(tree) if tree else ()), *(Redactor.of(config).secrets if config else ())})
    parts: dict[str, Part] = {"mistakes.txt": lambda: "\n".join(mistakes) or "none",
                              "versions.json": lambda: json.dumps(versions(), indent=2)}
    if tree:
        parts["config.json"] = lambda: json.dumps(shown(tree), indent=2, ensure_ascii=False)
    if config:
        parts |= {"log.txt": lambda: _log(config.log.file, path.absolute().parent),
                  "status.json": lambda: page(config.web.listen, "/api/status"),
                  "ready.json": lambda: page(config.web.listen, "/readyz"),
                  "metrics.txt": lambda: page(config.web.listen, "/metrics"),
                  "events.jsonl": lambda: _events(config.state, clock.wall()),
                  "machine.json": lambda: json.dumps(machine(config.state), indent=2)}
    texts = {name: hide(_of(part))[-MOST_BYTES:] for name, part in parts.items()}
    texts = {"about.txt": _about(texts, clock.wall()), **texts}
    _write(Path(out), texts, clock.wall())
    return list(texts)


def _of(part: Part) -> str:
    """What a part tells, or why it does not."""
    try:
        return part()
    except (MineHatError, OSError, ValueError, sqlite3.Error) as exc:
        return f"could not be told: {' '.join(str(exc).split())}"


def _log(file: Path | None, home: Path) -> str:
    """home: the configuration's folder, whose owner says which file is the log; root reads no other one for them."""
    if file is None:
        return log_tail(None, MOST_BYTES)
    with as_owner_of(home):
        return log_tail(file, MOST_BYTES)


def _events(state: Path, now: float) -> str:
    with read_store(state) as store:
        kept = [one for one in store.latest(MOST_EVENTS) if one.event.time >= now - DAY]
    return "\n".join(json.dumps(one.to_dict(), ensure_ascii=False) for one in reversed(kept))


def _about(texts: Mapping[str, str], now: float) -> str:
    lines = [f"{name}: {ABOUT[name]}, {len(text.encode())} bytes" for name, text in texts.items()]
    return "\n".join([f"What minewatch told of itself at {iso(now)}. Secrets that it knows are ***; look through it "
                      "all the same before you give it away.", "", *lines, ""])


def _write(out: Path, texts: Mapping[str, str], now: float) -> None:
    with written_whole(out) as scratch:
        scratch.chmod(0o600)
        with tarfile.open(scratch, "w:gz") as bundle:
            for name, text in texts.items():
                raw = text.encode("utf-8", "replace")
                about = tarfile.TarInfo(f"minewatch-support/{name}")
                about.size, about.mtime, about.mode = len(raw), int(now), 0o600
                bundle.addfile(about, io.BytesIO(raw))
