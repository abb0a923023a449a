"""Programs that do what standard input says, a line at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from minehat.errors import MineHatError


def obey_lines(obey: Callable[[list[str]], None]) -> None:
    """Give the words of each line to `obey`, until one says `quit` or there are no more. Faults go to stderr."""
    for line in sys.stdin:
        words = line.split()
        if words == ["quit"]:
            return
        try:
            if words:
                obey(words)
        except MineHatError as exc:
            print(exc, file=sys.stderr, flush=True)


def change_of(kind: type[Any], name: str, value: str) -> dict[str, Any]:
    """A change of a dataclass as typed: `stall on`, `jump 3600`. Raises MineHatError where that is none."""
    kinds = {field.name: type(field.default) for field in fields(kind)}
    if name not in kinds:
        raise MineHatError(f"{name} is not a fault; there are {', '.join(kinds)}.")
    if kinds[name] is bool:
        if value not in ("on", "off"):
            raise MineHatError(f"{name} {value}: say `{name} on` or `{name} off`.")
        return {name: value == "on"}
    try:
        return {name: kinds[name](value)}
    except ValueError:
        raise MineHatError(f"{name} {value}: a number is wanted.") from None
