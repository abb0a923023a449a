"""Events as a table for spreadsheets, line by line; no cell can be a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from .event import iso
from .records import Incident

COLUMNS = ("number", "time", "kind", "camera", "zone", "began", "ended", "people", "score", "notice", "cause",
           "remark", "acknowledged by", "acknowledged at", "remark of", "clock not trusted", "id")
BOM = "\ufeff"  # without it Excel takes UTF-8 for the machine's old code page
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_lines(incidents: Iterable[Incident]) -> Iterator[str]:
    """A header and a line for each incident, CRLF at their ends; the first begins with a byte order mark."""
    yield BOM + _line(COLUMNS)
    for incident in incidents:
        event, seen = incident.began.event, incident.acknowledged
        yield _line((incident.began.seq, iso(event.time), event.kind, event.camera, event.zone, iso(event.began),
                     iso(incident.ended.event.time) if incident.ended else "", event.count or "",
                     f"{event.score:.2f}" if event.score else "", "yes" if event.loud else "", event.cause,
                     event.remark, seen.who if seen else "", iso(seen.time) if seen else "",
                     seen.remark if seen else "", "yes" if event.clock_suspect else "", event.id))


def harmless(text: str) -> str:
    """Text that a spreadsheet does not reckon: an apostrophe before what could begin a formula."""
    return "'" + text if text.lstrip(" \u00a0\u3000").startswith(FORMULA) or text.startswith(FORMULA) else text


def _line(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(
        [harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return line.getvalue()
