"""The demo's page: one HTML file with everything in it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minehat.pages import templates
from minehat.tables import percent

from .walk import Step

TEMPLATE = "demo.html.j2"


@dataclass(frozen=True)
class Figure:
    """One large number at the top."""

    value: str
    unit: str
    told: str


@dataclass(frozen=True)
class Mark:
    """A box that the page draws over a picture, sharp at any size; pixels of the picture."""

    left: float
    top: float
    width: float
    height: float
    label: str
    score: float


@dataclass(frozen=True)
class Shown:
    """A picture and what was found in it."""

    uri: str  # data:image/...
    name: str
    width: int  # of the inlined picture, pixels
    height: int
    counts: tuple[tuple[str, int], ...]  # class name and how many
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Story:
    """All that the page tells."""

    date: str
    seconds: float
    machine: dict[str, Any]
    calibrated_on: str
    labelled_told: str
    conf: float
    classes: tuple[str, ...]
    figures: tuple[Figure, ...]
    clip: Shown  # its boxes are part of its frames
    pictures: tuple[Shown, ...]  # at least one
    steps: tuple[Step, ...]
    latency: dict[str, Any]  # of latency.py; each model has `told`, the whole `longest` and `frames`
    accuracy: dict[str, Any]  # of accuracy.py; each model has `told`
    engines: tuple[dict[str, Any], ...]
    engine_note: str  # what they were built for, or why there is none
    files: tuple[dict[str, str], ...]  # name, told, size
    notes: tuple[str, ...]

    @property
    def aspect(self) -> float:
        """Width over height of the frames around the pictures: what most of them have."""
        return statistics.median(shown.width / shown.height for shown in self.pictures)


def page_of(story: Story) -> str:
    """The page as HTML text. Raises MineHatError where jinja2 is absent."""
    rooms = templates(Path(__file__).parent, "bench")
    rooms.filters["percent"] = percent
    return rooms.get_template(TEMPLATE).render(story=story)


def size_told(count: int) -> str:
    """Bytes as people say them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} KB"
