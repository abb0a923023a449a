"""What a worker does: one part, with a model that stays open for the parts after it."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .. import __version__
from ..card import read_card
from ..errors import CudaLost, MineHatError
from ..files import sha256_of
from ..inputs import Input
from ..results import entry_of
from ..seeing import Asked, Detectors
from ..sources import Shot, frames_of
from ..variants import family_of
from .parts import Part, stamp_of
from .stretch import Joint, Stretch


@dataclass(frozen=True)
class Work:
    """How all parts of a run are done. Results of two runs with equal ones are equal."""

    asked: Asked  # its paths are absolute
    models: tuple[tuple[str, str], ...]  # path and SHA-256 of each file that may be asked
    card: str  # of the one named, as JSON
    classes: tuple[str, ...]  # their names, as the card tells them
    version: str = __version__  # MineHat's


@dataclass(frozen=True)
class Done:
    """What came of a part."""

    entries: tuple[dict[str, Any], ...] = ()  # as `minehat.results` tells them; frames numbered from the part's first
    faults: tuple[str, ...] = ()  # inputs that could not be read, a line each
    said: tuple[str, ...] = ()  # what else was to be told on stderr
    first: Joint | None = None  # of a video, as `Stretch` tells them
    after: Joint | None = None
    rising: bool = True
    seconds: float = 0.0  # that it took


@dataclass(frozen=True)
class Refused:
    """The worker can do no part at all: why, and what to type."""

    why: str


def work_of(asked: Asked) -> Work:
    """Raises MineHatError where there is no such model, or it has no card that can be read."""
    named = asked.named()
    if not named.is_file():
        raise MineHatError(f"{named}: no such model file.")
    card = read_card(asked.card or named)
    models = family_of(named) if asked.size == "auto" else [named]
    absolute = replace(asked, model=_absolute(asked.model), card=asked.card and _absolute(asked.card))
    return Work(absolute, tuple((_absolute(path), sha256_of(path)) for path in models), card.to_json(),
                card.classes)


def do_part(work: Work, part: Part) -> Done | Refused:
    """Read it and look at it. A process that has lost its GPU ends here, for nothing after that would work."""
    voice = io.StringIO()
    begun = time.perf_counter()
    try:
        with contextlib.redirect_stderr(voice):
            detectors = _opened(work)
            done = _done(detectors, part)
    except CudaLost:
        os._exit(5)
    except MineHatError as exc:
        return Refused(str(exc))
    return replace(done, said=tuple(voice.getvalue().splitlines()), seconds=time.perf_counter() - begun)


@lru_cache(maxsize=1)
def _opened(work: Work) -> Detectors:
    if work.version != __version__:
        raise MineHatError(f"MineHat {__version__} is installed on {platform.node()}, {work.version} where the run "
                           "was begun. Install the same on all machines.")
    for path, digest in work.models:
        if not Path(path).is_file() or sha256_of(path) != digest:
            raise MineHatError(f"{path} is not the model that the run was begun with, on {platform.node()}. All "
                               "machines must have the same files at the same places, as in a shared folder.")
    return Detectors(work.asked, ExitStack())  # let go of when the process ends


def _done(detectors: Detectors, part: Part) -> Done:
    there, faults = _there(part)
    stretch = None
    if there and not there[0].is_picture:
        stretch = Stretch(there[0], part.start, part.end, part.seeks)
    shots = _readable(stretch.shots(), faults) if stretch else _pictures(there, faults)
    with closing(detectors.seen(((0, shot) for shot in shots), ahead=True)) as stream:
        entries = tuple(entry_of(shot, found, detectors.first.card.classes) for _, shot, found in stream)
    done = Done(entries, tuple(faults))
    return replace(done, first=stretch.first, after=stretch.after, rising=stretch.rising) if stretch else done


def _there(part: Part) -> tuple[list[Input], list[str]]:
    """The files that are what they were when the run began, and a line for each other one."""
    there, faults = list[Input](), list[str]()
    for one, stamp in zip(part.inputs, part.stamps, strict=True):
        if stamp_of(one.place) == stamp:
            there.append(one)
        else:
            faults.append(f"{one.name} is not what it was when the run began, or is not on {platform.node()}. All "
                          "machines must have the same files at the same places, and nobody may write to them.")
    return there, faults


def _pictures(inputs: list[Input], faults: list[str]) -> Iterator[Shot]:
    for one in inputs:
        told = list[MineHatError]()
        yield from frames_of([one], told.append)
        faults += [str(exc).replace(one.place, one.name) for exc in told]


def _readable(shots: Iterator[Shot], faults: list[str]) -> Iterator[Shot]:
    try:
        yield from shots
    except MineHatError as exc:
        faults.append(str(exc))


def _absolute(path: str | Path) -> str:
    return str(Path(path).absolute())
