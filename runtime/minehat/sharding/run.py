"""`minehat detect --ray`, put together: what is to be done, who does it, what is kept of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from ..errors import MineHatError
from ..inputs import Input, OnError
from ..progress import bar, say
from .gather import Gathered, Results, gathered
from .kept import kept_beside
from .parts import pieces_of
from .ray_crew import ray_crew
from .work import Work


def check_in_parts(draw: str | None, inputs: list[Input]) -> None:
    """Raise MineHatError for what cannot be done in parts."""
    if draw:
        raise MineHatError("--draw is not done in parts: leave it away, or --ray.")
    for one in inputs:
        if one.is_camera:
            raise MineHatError(f"{one.name} is a camera, which has no end and no parts: leave it away, or --ray.")


@contextmanager
def detected_in_parts(work: Work, inputs: list[Input], place: str | None, address: str,
                      on_error: OnError) -> Iterator[Generator[Gathered, None, None]]:
    """Yield what comes of the inputs, part by part in their order.

    place: the output, beside which finished parts are kept until the block ends with all of them done.

    Raises MineHatError as `ray_crew` does, and where a worker cannot use the model.
    """
    pieces = list(bar(pieces_of(inputs), label="planning"))
    parts = [part for piece in pieces for part in piece.parts]
    through = False

    def told() -> Generator[Gathered, None, None]:
        nonlocal through
        yield from bar(gathered(pieces, results, on_error), len(parts), "detecting parts")
        through = True

    with kept_beside(place, work) as kept, ray_crew(address, work) as crew:
        results = Results(parts, kept, crew)
        if results.found:
            say(f"{results.found} of {len(parts)} parts were done by an earlier run.")
        yield told()
        if through:
            kept.clear()
