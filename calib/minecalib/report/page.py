"""The page itself: its parts gathered, and written whole."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import ready_file, write_whole
from minehat.page_plots import Plot, load_matplotlib
from minehat.pages import templates
from minehat.progress import say
from minehat.scoring import spread
from minehat.tables import percent

from ..gate.told import frontier_table, points, rendered_told
from ..gate.trial import Trial
from ..images import Picture, Squares
from ..job import Job, names_of
from .accuracy import Row, rows_of
from .decisions import changes_of, shift_of, totals
from .facts import Elsewhere, Outcome
from .grids import Grid, grids, worst
from .head import Verdict, origin_of, verdict_of, warnings_of
from .layers import LayerDrift, drifts
from .pictures import Both, shown
from .plots import decibels_told, frontier_plot, grid_plots, layers_plot, share_told, shift_plots

TEMPLATE = "page.html.j2"
EXTRA = "train"  # brings Jinja2
DRIFTED = 16  # pictures on which layers are compared


@dataclass(frozen=True)
class Exams:
    """What the gate saw."""

    trial: Trial
    rows: list[Row]
    rendered: str  # the second check in words, "" where there was none
    frontier: tuple[list[str], list[list[str]]] | None  # header and rows, where layers were lifted
    plots: list[Plot]  # the frontier's
    shifts: list[Plot]
    totals: list[tuple[str, list[int]]]  # by class: lost, found, came, gone
    changed: int  # pictures
    pictures: list[Both]


@dataclass(frozen=True)
class Story:
    """All that the page tells."""

    title: str
    date: str
    verdict: Verdict
    warnings: list[str]
    origin: list[tuple[str, str]]
    floats: Sequence[tuple[str, int, str]]
    exams: Exams | None  # None without a gate
    layers: list[LayerDrift]
    drift: Plot | None  # None without pictures
    grids: list[Grid]
    drawn: list[Plot]
    elsewhere: Sequence[Elsewhere]


def ready_report(path: Path) -> None:
    """Before long work that ends in a page: raises MineHatError where it could not be made or written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise MineHatError(f"--report {path}: the name must end in .html.")
    templates(Path(__file__).parent, EXTRA)
    load_matplotlib()
    ready_file(path)


def write_report(path: Path, job: Job, outcome: Outcome, elsewhere: Sequence[Elsewhere], out: Path) -> None:
    """out: what was written, or would have been. Raises MineHatError where a library is missing, a picture is gone, or
    the page cannot be written."""
    say("drawing the report")
    rooms = templates(Path(__file__).parent, EXTRA)
    rooms.filters |= {"percent": percent, "points": points, "decibels": decibels_told, "share": share_told}
    write_whole(path, rooms.get_template(TEMPLATE).render(story=_story(job, outcome, elsewhere, out)))


def _story(job: Job, outcome: Outcome, elsewhere: Sequence[Elsewhere], out: Path) -> Story:
    layers = _layers(job, outcome)
    found = grids(job, outcome.lowered, elsewhere)
    now = datetime.datetime.now().astimezone()
    return Story(f"{job.parent.card.name} in {job.wish.name}", f"{now:%d %B %Y, %H:%M}", verdict_of(outcome),
                 warnings_of(job, outcome, elsewhere), origin_of(job, outcome, out), outcome.lowered.floats,
                 _exams(job, outcome), layers, layers_plot(layers) if layers else None, found,
                 grid_plots(worst(found), [other.gap.name for other in elsewhere]), elsewhere)


def _layers(job: Job, outcome: Outcome) -> list[LayerDrift]:
    squares = job.squares
    if not squares.pictures and outcome.trial:
        squares = Squares([Picture(truth.path, truth.read) for truth in spread(outcome.trial.exam.truths, DRIFTED)],
                          job.parent.card)
    if not squares.pictures:
        return []
    batches: Iterator[Any] = (batch for _, batch in squares.some(DRIFTED).walk("drift of layers"))
    return drifts(job, outcome.lowered, batches, outcome.trial.suspects if outcome.trial else ())


def _exams(job: Job, outcome: Outcome) -> Exams | None:
    trial, judged = outcome.trial, outcome.judged
    if trial is None or judged is None:
        return None
    exam, classes = trial.exam, trial.exam.card.classes
    changes = changes_of(trial.parent, judged.answers, trial.budget.watched)
    lifted = len(trial.tried) > 1
    return Exams(trial, rows_of(trial), rendered_told(trial, judged) if judged.rendered else "",
                 frontier_table(trial, names_of(job)) if lifted else None, [frontier_plot(trial)] if lifted else [],
                 shift_plots(shift_of(trial.parent, judged.answers), classes, exam.card.conf, trial.wish.name),
                 [(name, row.tolist()) for name, row in zip(classes, totals(changes, exam.truths, len(classes)),
                                                           strict=True)],
                 len(changes), shown(changes, exam))
