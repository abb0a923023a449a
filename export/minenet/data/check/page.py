"""The page about labelled sets: one HTML file with everything in it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minehat.page_plots import Plot
from minehat.pages import templates
from minehat.progress import bar

from .findings import Findings, Leak, Note, Seen, labelled_otherwise
from .measures import fit_of, measures_of
from .plots import plots_of
from .shown import Shown, shown, spread
from .summary import Counts, counts_of

TEMPLATE = "page.html.j2"
MOST_ROWS = 400  # of a table; the JSON file has all
MOST_LEAKS = 24  # pairs of pictures
MOST_OF_KIND = 8  # pictures or pairs, of a kind of note
ON_SHEET = 60
ABOUT = {  # in the order of the page
    "same view": "The same place at another moment, in two splits. A score on such pictures promises too much for new "
                 "places: give all pictures of a camera, or of a day, to one split if you can.",
    "picture twice": "The same picture again, in splits of one name: it counts double.",
    "two classes at one place": "Two boxes nearly on each other, one of each class: which is it?",
    "box twice": "Two boxes of one class nearly on each other: one head, labelled twice?",
    "odd shape": "Far from the shape of a head: a slip of the hand, or a head that the picture's edge cuts.",
    "tiny box": "A side below 4 pixels of the network's square; the finest map has a cell every 8.",
    "no objects": "Their labels name nothing. Right for pictures without people; a slip if somebody is in them.",
    "mirrored bands": "They look padded with their own mirror image, upside-down heads and all. Put these lines into "
                      "mirror_bands.tsv in the set's folder, and the bands are cut off wherever pictures are read.",
    "picture in no split": "They lie beside the others, but no list names them.",
    "labels in no split": "No list names their pictures, or these are gone."}


@dataclass(frozen=True)
class Pair:
    """Two pictures side by side."""

    first: Shown
    second: Shown
    told: str


@dataclass(frozen=True)
class Kind:
    """All notes of one kind."""

    name: str
    about: str
    notes: Sequence[Note]
    pairs: Sequence[Pair]
    pictures: Sequence[Shown]
    lines: Sequence[str]  # for mirror_bands.tsv


@dataclass(frozen=True)
class Story:
    """All that the page tells."""

    date: str
    places: tuple[str, ...]
    found: Findings
    counts: list[Counts]
    leaks: list[Pair]
    kinds: list[Kind]
    plots: list[Plot]
    sheet: list[Shown]
    most_rows: int = MOST_ROWS


def page_of(found: Findings, places: Sequence[Path]) -> str:
    """The page as HTML text. Raises MineHatError where jinja2 or matplotlib is absent."""
    return templates(Path(__file__).parent, "train").get_template(TEMPLATE).render(story=_story(found, places))


def _story(found: Findings, places: Sequence[Path]) -> Story:
    measures = measures_of(found)
    names = dict.fromkeys(note.kind for note in found.notes)
    ordered = sorted(names, key=list(ABOUT).index)
    return Story(f"{datetime.datetime.now().astimezone():%d %B %Y, %H:%M}", tuple(map(str, places)), found,
                 counts_of(found), [_leaked(leak, found) for leak in found.leaks[:MOST_LEAKS]],
                 [_kind(name, found) for name in ordered], plots_of(measures, fit_of(measures), found.side),
                 [shown(one, found.classes) for one in bar(spread(found.seen, ON_SHEET), label="contact sheet")])


def _leaked(leak: Leak, found: Findings) -> Pair:
    return _pair(leak.first, leak.second, found, [leak.twin.relation])


def _kind(name: str, found: Findings) -> Kind:
    notes = [note for note in found.notes if note.kind == name]
    some = [note for note in notes[::-(-len(notes) // MOST_OF_KIND)] if note.seen is not None]
    pairs = [_pair(note.beside, note.seen, found, []) for note in some if note.seen and note.beside]
    pictures = [shown(note.seen, found.classes, note.rows) for note in some if note.seen and not note.beside]
    lines = [f"{note.path.stem}\t{note.seen.bands[0]}\t{note.seen.bands[1]}" for note in notes
             if note.seen and note.seen.bands and name == "mirrored bands"]
    return Kind(name, ABOUT[name], notes, pairs, pictures, lines)


def _pair(first: Seen, second: Seen, found: Findings, told: Sequence[str]) -> Pair:
    """told: what is said of the two, but for labels that differ."""
    otherwise = labelled_otherwise(first, second, found.classes)
    words = "; ".join([*told, otherwise] if otherwise else told)
    return Pair(shown(first, found.classes), shown(second, found.classes), words)
