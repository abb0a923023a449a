"""Parts put together again: every entry in the order of the sources, frames numbered through."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import MineHatError
from ..inputs import OnError
from ..progress import say
from ..videos import check_whole
from .kept import Kept
from .parts import Part, Piece
from .stretch import Joint
from .work import Done, Refused


class Crew(Protocol):
    """Who does parts: processes, or machines."""

    def begin(self, part: Part, first: bool = False) -> None:
        """Take it on; before all others where `first`."""

    def wait(self) -> tuple[Part, Done | Refused]:
        """One of the parts taken on, and what came of it. Raises MineHatError where nobody is left to do them."""


@dataclass(frozen=True)
class Gathered:
    """What came of a part, at its place."""

    given: int  # which of the sources it is of
    entries: tuple[dict[str, Any], ...]
    seconds: float  # that it took


class Results:
    """What came of parts: an earlier run's, as far as it is kept, and the crew's."""

    def __init__(self, parts: Iterable[Part], kept: Kept, crew: Crew) -> None:
        self._kept, self._crew = kept, crew
        self._faulty: dict[Part, Done] = {}  # never kept, so the next run tries them again
        self._under_way = set[Part]()
        self._said = set[str]()
        self.found = 0  # parts of an earlier run
        for part in parts:
            if kept.of(part):
                self.found += 1
            else:
                self._begin(part)

    def of(self, part: Part, first: bool = False) -> Done:
        """Wait for it. first: it is of no part that was planned, and the next to be done.

        Raises MineHatError where no worker can do it.
        """
        while True:
            if part in self._faulty:
                return self._faulty.pop(part)
            done = None if part in self._under_way else self._kept.of(part)
            if done:
                self._tell(done.said)
                return done
            if part not in self._under_way:
                self._begin(part, first)
            self._collect()

    def _begin(self, part: Part, first: bool = False) -> None:
        self._under_way.add(part)
        self._crew.begin(part, first)

    def _collect(self) -> None:
        part, done = self._crew.wait()
        if isinstance(done, Refused):
            raise MineHatError(done.why)
        if done.faults:
            self._faulty[part] = done
            self._tell(done.said)
        else:
            self._kept.keep(part, done)
        self._under_way.discard(part)

    def _tell(self, said: Iterable[str]) -> None:
        """What workers had to say, each thing once."""
        for line in said:
            if line not in self._said:
                self._said.add(line)
                say(line)


def gathered(pieces: Iterable[Piece], results: Results, on_error: OnError) -> Generator[Gathered, None, None]:
    """What came of all parts, in their order. Inputs that cannot be read go to `on_error`, and the rest goes on."""
    for piece in pieces:
        if piece.parts[0].inputs[0].is_picture:
            for part in piece.parts:
                done = results.of(part)
                yield Gathered(part.inputs[0].given, done.entries, done.seconds)
                _tell_faults(done, on_error)
        else:
            yield from _video(piece, results, on_error)


def _video(piece: Piece, results: Results, on_error: OnError) -> Generator[Gathered, None, None]:
    one = piece.parts[0].inputs[0]
    count, joint = 0, None
    for part in piece.parts:
        done = results.of(part)
        if not _fits(part, done, joint):
            done = results.of(part.again(), first=True)
        entries = tuple(entry | {"frame": number} for number, entry in enumerate(done.entries, count))
        yield Gathered(one.given, entries, done.seconds)
        count, joint = count + len(entries), done.after
        if done.faults:
            return _tell_faults(done, on_error)
        if joint is None:
            break
    try:
        check_whole(one, count, piece.expected, piece.fps)
    except MineHatError as exc:
        on_error(exc)


def _fits(part: Part, done: Done, before: Joint | None) -> bool:
    """Whether the part begins with the frame that ended the one before, and its end can be found by its time."""
    if done.faults:
        return True
    if part.start is None:
        return done.rising or done.after is None
    return done.first == before and done.rising


def _tell_faults(done: Done, on_error: OnError) -> None:
    for fault in done.faults:
        on_error(MineHatError(fault))
