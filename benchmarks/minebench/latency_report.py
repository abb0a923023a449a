"""A latency report as a page for people, and beside it as Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minehat.errors import MineHatError
from minehat.files import ready_file, write_whole
from minehat.page_plots import Plot, load_matplotlib
from minehat.pages import templates
from minehat.progress import say

from .latency_markdown import markdown_of
from .latency_plots import batch_plot, course_plot, distribution_plot, roofline_plot, sensor_plot
from .latency_told import (
    RATES,
    SPARE,
    USUAL_RATE,
    Report,
    Row,
    date_told,
    facts,
    fastest,
    headline,
    ms_told,
    rows_of,
    sensors_told,
    warnings,
)

TEMPLATE = "latency.html.j2"
EXTRA = "bench"  # brings Jinja2 and matplotlib


@dataclass(frozen=True)
class Story:
    """All that the page tells."""

    date: str
    headline: tuple[str, str]
    warnings: list[str]
    facts: list[tuple[str, str]]
    rows: list[Row]
    best: Row
    longest: float  # ms a picture, of the widest bar
    prepared_within: bool  # the letterbox is part of infer
    read_ms: dict[str, float] | None
    report: Report
    plots: list[Plot]
    sensed: list[tuple[str, str]]
    sensors: Plot | None
    roofs: list[Plot]
    no_roof: str  # why there is no limit to draw


def ready_report(path: Path) -> None:
    """Before long work that ends in a page: raises MineHatError where it could not be made or written."""
    if path.suffix.lower() != ".html":
        raise MineHatError(f"--report {path}: the name must end in .html.")
    templates(Path(__file__).parent, EXTRA)
    load_matplotlib()
    for suffix in (".html", ".md", ".json"):
        ready_file(path.with_suffix(suffix))


def write_report(path: Path, report: Report) -> None:
    """x.html, x.md and x.json of what `measured` gave. Raises MineHatError where they cannot be written."""
    write_whole(path.with_suffix(".json"), json.dumps(report) + "\n")
    write_whole(path.with_suffix(".md"), markdown_of(report))
    write_whole(path, page_of(report))
    say(f"{path}, and beside it .md and .json")


def page_of(report: Report) -> str:
    """The page as HTML text. Raises MineHatError where Jinja2 or matplotlib is absent."""
    rooms = templates(Path(__file__).parent, EXTRA)
    rooms.filters["ms"] = ms_told
    shared: dict[str, Any] = {"rates": RATES, "spare": SPARE, "usual_rate": USUAL_RATE}
    return rooms.get_template(TEMPLATE).render(story=_story(report), **shared)


def _story(report: Report) -> Story:
    rows = rows_of(report)
    plots = [distribution_plot(rows), course_plot(rows)]
    if len({row.model["batch"] for row in rows}) > 1:
        plots.append(batch_plot(rows))
    drawn = [kind for kind in report.get("devices", {}) if any(row.roof and row.roof.device == kind for row in rows)]
    return Story(date_told(report), headline(rows), warnings(report), facts(report), rows, fastest(rows),
                 max(row.per_frame["whole"] for row in rows),
                 all(row.model["stages"]["prepare"]["max"] == 0 for row in rows),
                 None if report["rendered"] else report["read_ms"], report, plots, sensors_told(report),
                 sensor_plot(report), [roofline_plot(report, rows, kind) for kind in drawn],
                 "" if drawn else _no_roof(report))


def _no_roof(report: Report) -> str:
    return report.get("limits_missing") or "What these networks have to do, or this device can do, is not known here."
