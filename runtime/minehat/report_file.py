"""--json of commands that tell one thing: one document in a .json file, there only when whole, or on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .errors import MineHatError
from .files import ready_file, write_whole
from .results import check_no_input, check_stdout, put


def check_report(place: str | None, **inputs: str | None) -> None:
    """Raise MineHatError, before any work, unless `place` is -, None or a .json file that can be written.

    It may be neither an engine's card nor one of the `inputs`: model="a.onnx", card=None, ...
    """
    if place == "-":
        check_stdout()
    if place in (None, "-"):
        return
    name = str(place).lower()
    if not name.endswith(".json") or name.endswith(".engine.json"):
        raise MineHatError(f"--json {place}: the name must end in .json, or be - for stdout, and not in "
                           ".engine.json, which is an engine's card.")
    check_no_input(place, **inputs)
    ready_file(str(place))


def write_report(place: str | None, report: dict[str, Any]) -> None:
    """Write it; to nowhere where `place` is None."""
    if place is None:
        return
    text = json.dumps(report, indent=1) + "\n"
    if place == "-":
        put(sys.stdout, text, "stdout")
    else:
        write_whole(Path(place), text)
