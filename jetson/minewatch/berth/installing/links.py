"""Which release runs: two links, each turned in one step."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..errors import Refused
from .disk import point, write_whole
from .layout import Layout


@dataclass(frozen=True)
class Links:
    """The names of the releases that the two links point at; None where they point at none."""

    current: str | None
    previous: str | None


def links(layout: Layout) -> Links:
    """As they are now."""
    return Links(layout.linked(layout.current), layout.linked(layout.previous))


def settled(layout: Layout) -> Links:
    """As they were when all was well last: before a turn that was cut short, else now."""
    try:
        current, previous = json.loads(layout.unsettled.read_bytes())
    except FileNotFoundError:
        return links(layout)
    return Links(current, previous)


def turn_to(layout: Layout, name: str) -> None:
    """Make a complete release the current one, and the current one the previous. Once more changes nothing.

    `previous` is turned first: cut short in between, the release that ran is still the one that runs.
    """
    running = layout.linked(layout.current)
    if running == name:
        return
    was = settled(layout)
    write_whole(layout.unsettled, json.dumps([was.current, was.previous]).encode())
    if running is not None:
        point(layout.previous, layout.releases / running)
    point(layout.current, layout.releases / name)


def turn_back(layout: Layout, was: Links) -> None:
    """Both links as they were."""
    for link, name in ((layout.current, was.current), (layout.previous, was.previous)):
        if name is None:
            link.unlink(missing_ok=True)
        else:
            point(link, layout.releases / name)


def before(layout: Layout) -> str:
    """The name of the release to go back to. Raises Refused where there is none."""
    running, earlier = layout.linked(layout.current), layout.linked(layout.previous)
    if earlier is None or earlier == running:
        raise Refused(f"there is no release before {running or 'any'} in {layout.releases}. "
                      "Install the wanted one from its bundle: sudo sh install.sh --older")
    return earlier
