"""What is wrong with labelled pictures, and the one error that tells all of it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..errors import ManyFaults, MineHatError

Kind = Literal["unreadable list", "listed twice", "missing picture", "broken picture", "missing labels",
               "broken labels", "other size", "unknown class", "not a number", "box without area", "box outside",
               "broken bands", "no objects"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # the last is a note, no fault
NAMED = 8  # classes that a cure spells out


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong (or worth a note)."""

    kind: Kind
    path: Path  # the file to look into
    told: str  # what is wrong there, without a full stop
    name: str = ""  # of an unknown class

    def __str__(self) -> str:
        return " ".join(f"{self.path}: {self.told}".split())


OnFault = Callable[[Fault], None]


def broken_picture(path: Path, exc: MineHatError) -> Fault:
    """The fault of a picture that could not be read."""
    return Fault("broken picture", path, str(exc).removeprefix(str(path)).lstrip(": ").rstrip("."))


def no_picture(place: Path, split: str, prefix: str = "") -> Fault:
    """The fault of a split that is sound and empty."""
    begins = f" that begins with {prefix}" if prefix else ""
    return Fault("unreadable list", place, f"its {split} split names no picture{begins}")


def many_faults(faults: Sequence[Fault], classes: Sequence[str]) -> ManyFaults:
    """The error that lists the faults, each once, counts them by kind and says what to do."""
    faults = list(dict.fromkeys(faults))
    counts = Counter(fault.kind for fault in faults)
    told = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if counts[kind])
    return ManyFaults([str(fault) for fault in faults], f"{len(faults)} faults ({told}).", _cure(faults, classes))


def _cure(faults: Sequence[Fault], classes: Sequence[str]) -> str:
    kinds = {fault.kind for fault in faults}
    names = list(dict.fromkeys(fault.name for fault in faults if fault.kind == "unknown class"))
    cures = [_map_cure(names, classes)] if names else []
    if "unreadable list" in kinds:
        cures.append("Name another folder, or mend what is named.")
    if kinds - {"unknown class", "unreadable list"}:
        cures.append("Mend the files that are named, or take their pictures out of the list.")
    return " ".join(cures)


def _map_cure(names: Sequence[str], classes: Sequence[str]) -> str:
    flags = " ".join(f"--map {shlex.quote(f'{name}=CLASS')}" for name in names[:NAMED])
    more = " ..." if len(names) > NAMED else ""
    return f"Say what the names mean: {flags}{more} (CLASS is {', '.join(classes)}, or - to leave such objects out)."
