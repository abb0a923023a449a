"""What came of the engine that is built here: a small file beside it, so that a start knows what the run before did."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from minehat.files import write_whole

FOLDER, FILE = "engine", "engine.json"  # of the state folder; of that one
TRIES = 3  # an engine that failed so often, build or trial, is left alone until something of it is another
Verdict = Literal["built", "passed", "refused"]


@dataclass(frozen=True)
class Record:
    """Of one engine. `stamp` tells at a glance, `key` for certain, what it is made of."""

    stamp: str  # of the ONNX file as it lies there, and of what was asked for; see `stamp_of`
    key: str  # of the ONNX file's content, library, GPU and options; "" where nobody could tell
    engine: str  # its file's name; "" where none could be built
    verdict: Verdict  # built, and not tried yet; passed: it stood its trial; refused by the builder or at its trial
    text: str = ""  # one line: why it was refused
    tries: int = 0  # of this key that ended so


def stamp_of(onnx: Path, target: str, most: int) -> str:
    """Another one as soon as the ONNX file is, without reading it; "" where there is no such file."""
    try:
        found = os.stat(onnx)
    except OSError:
        return ""
    return f"{os.path.abspath(onnx)} {found.st_size} {found.st_mtime_ns} {target} {most}"


def read_record(folder: Path) -> Record | None:
    """What stands in the folder of engines; None where there is nothing that can be understood."""
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        kinds = {field.name: int if field.name == "tries" else str for field in fields(Record)}
        if type(told) is not dict or any(type(told.get(name)) is not kind for name, kind in kinds.items()):
            return None
        record = Record(**{name: told[name] for name in kinds})
    except (OSError, ValueError):
        return None
    well = record.verdict in get_args(Verdict) and os.path.basename(record.engine) == record.engine
    return record if well else None


def write_record(folder: Path, record: Record) -> None:
    """Raises MineHatError where it cannot be written."""
    write_whole(folder / FILE, json.dumps(asdict(record), indent=1) + "\n")
