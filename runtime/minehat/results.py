"""What was detected, as JSON: one document for all frames, or one line a frame (JSONL).

Document: {"model": ..., "images": [entry, ...]}; a line of JSONL is one entry:
{"source": ..., "width": w, "height": h, "detections": [{"box": [x0, y0, x1, y1], "score": s,
"label": "helmet"}]}, of a video or camera also "frame" (from 0) and "seconds". Boxes are in pixels of
the frame. Non-ASCII names are escaped as JSON allows, so the text is ASCII.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, TextIO

from .detections import Detections
from .errors import MineHatError
from .files import make_folder, written_whole
from .sources import Shot

Write = Callable[[dict[str, Any]], None]


def entry_of(shot: Shot, found: Detections, classes: Sequence[str]) -> dict[str, Any]:
    """The entry of one frame."""
    entry: dict[str, Any] = {"source": shot.source, "width": shot.frame.shape[1],
                             "height": shot.frame.shape[0]}
    if shot.index is not None:
        entry |= {"frame": shot.index, "seconds": shot.seconds}
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return entry | {"detections": [{"box": [round(side, 2) for side in box], "score": round(score, 4),
                                    "label": classes[label]} for box, score, label in rows]}


@contextmanager
def results_to(place: str | None, model: str) -> Iterator[Write]:
    """Yield a function that takes entries as they come.

    place: a .json file (there only when whole), a .jsonl file (each line as it goes), `-` (the document
    on stdout) or None. Raises MineHatError where it cannot be written.
    """
    if place is None:
        yield lambda entry: None
    elif place == "-":
        with _document(sys.stdout, "stdout", model) as write:
            yield write
    elif Path(place).suffix.lower() == ".jsonl":
        with _opened(Path(place)) as file:
            yield _Lines(file, place)
    else:
        with (written_whole(place) as scratch, open(scratch, "w", encoding="ascii") as text,
              _document(text, place, model) as write):
            yield write


def check_place(place: str | None) -> None:
    """Raise MineHatError unless `place` is what `results_to` takes."""
    if place == "-":
        check_stdout()
    if place not in (None, "-") and Path(str(place)).suffix.lower() not in (".json", ".jsonl"):
        raise MineHatError(f"--json {place}: the name must end in .json (one document) or .jsonl (a line a "
                           "frame), or be - for stdout.")


def check_stdout() -> None:
    """Raise MineHatError where stdout was closed, as by `>&-`."""
    if sys.stdout is None:
        raise MineHatError("--json -: stdout is closed. Leave it open, or name a file.")


def check_no_input(place: str | None, **inputs: str | None) -> None:
    """Raise MineHatError where `place` is the file of one of the `inputs`: model="a.onnx", card=None, ..."""
    for name, path in inputs.items():
        if place and path and os.path.realpath(place) == os.path.realpath(path):
            raise MineHatError(f"--json {place} is the {name}. Name another file.")


@contextmanager
def _document(file: TextIO, place: str, model: str) -> Iterator[Write]:
    separator = "\n"

    def write(entry: dict[str, Any]) -> None:
        nonlocal separator
        put(file, separator + json.dumps(entry), place)
        separator = ",\n"

    put(file, f'{{"model": {json.dumps(model)}, "images": [', place)
    yield write
    put(file, "\n]}\n", place)


def put(file: TextIO, text: str, place: str) -> None:
    """Write text at once. Raises MineHatError, naming the `place`, where it cannot be written."""
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise _unwritable(place, exc) from exc


class _Lines:
    """Appends entries, each line whole: what a full disk cut off is taken back."""

    def __init__(self, file: FileIO, place: str) -> None:
        self._file, self._place, self._whole = file, place, 0

    def __call__(self, entry: dict[str, Any]) -> None:
        line = rest = (json.dumps(entry) + "\n").encode()
        try:
            while rest:
                rest = rest[self._file.write(rest):]
        except BrokenPipeError:
            raise
        except OSError as exc:
            with suppress(OSError):
                self._file.truncate(self._whole)
            raise _unwritable(self._place, exc) from exc
        self._whole += len(line)


def _opened(path: Path) -> FileIO:
    try:
        make_folder(path.parent)
        return open(path, "wb", buffering=0)
    except OSError as exc:
        raise _unwritable(str(path), exc) from exc


def _unwritable(place: str, exc: OSError) -> MineHatError:
    return MineHatError(f"{place} cannot be written: {exc.strerror or exc}. "
                        "Name another place or free some room.")
