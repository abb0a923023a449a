"""Findings as people read them: aligned, wrapped to the terminal, coloured on a terminal alone."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from ..progress import say
from .finding import FAULT, NOTE, WARNING, WELL, Finding

MARKS = {WELL: "ok", NOTE: "note", WARNING: "warn", FAULT: "BAD"}
COLOURS = {WELL: "32", NOTE: "36", WARNING: "33", FAULT: "1;31"}
MARK = 6  # columns of the mark and what parts it from the rest
WIDEST = 110  # columns; longer lines are hard to follow
NARROW = 70  # columns, below which names have no column of their own
MOST_NAME = 24
WORD = r"[^\s`]*`[^`]*`\S*|\S+"  # a command between ` is one


def tell(findings: Sequence[Finding]) -> None:
    """Print them, and a line that sums them up, on stderr."""
    width, colours = _width(), _coloured()
    names = max((min(columns(finding.what), MOST_NAME) for finding in findings), default=0)
    for finding in findings:
        for line in lines_of(finding, names, width, colours):
            say(line)
    say(summary(findings))


def lines_of(finding: Finding, names: int, width: int | None, colours: bool = False) -> Iterator[str]:
    """One line where width is None; else as many as it takes. names: columns of the longest name."""
    mark = f"{MARKS[finding.level]:<{MARK}}"
    if colours:
        mark = f"\x1b[{COLOURS[finding.level]}m{mark}\x1b[0m"
    name = finding.what + " " * (names - columns(finding.what))
    if width is None:
        yield f"{mark}{name}  {finding.text}"
        return
    beside = width >= NARROW
    indent = MARK + names + 2 if beside else MARK
    first, *more = wrapped(finding.text if beside else f"{finding.what}: {finding.text}", width - indent,
                           max(0, columns(name) - names) if beside else 0)
    yield f"{mark}{name}  {first}".rstrip() if beside else f"{mark}{first}"
    for line in more:
        yield " " * indent + line


def summary(findings: Sequence[Finding]) -> str:
    """How many of what level, for people."""
    count = {level: sum(finding.level == level for finding in findings) for level in MARKS}
    told = [f"{count[FAULT]} must be mended"] * bool(count[FAULT])
    told += [f"{count[WARNING]} should be seen to"] * bool(count[WARNING])
    return f"{', '.join(told)}." if told else "all is well."


def wrapped(text: str, width: int, taken: int = 0) -> list[str]:
    """Broken at blanks, and not within a command where it fits; `taken` columns of the first line are used already."""
    lines, room = [""], width - taken
    words = (part for word in re.findall(WORD, text) for part in ([word] if columns(word) <= width else word.split()))
    for word in words:
        blank = 1 if lines[-1] else 0
        if lines[-1] and columns(lines[-1]) + blank + columns(word) > room:
            lines.append(word)
            room = width
        else:
            lines[-1] += " " * blank + word
    return lines


def columns(text: str) -> int:
    """How wide a terminal shows it: Chinese letters take two columns."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _width(environ: Mapping[str, str] = os.environ) -> int | None:
    """Of the terminal, or as COLUMNS says; None where lines go to a file or a pipe, which have no end."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not terminal and not environ.get("COLUMNS", "").isdecimal():
        return None
    return max(24, min(WIDEST, shutil.get_terminal_size().columns))


def _coloured(environ: Mapping[str, str] = os.environ) -> bool:
    """See https://no-color.org."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return terminal and not environ.get("NO_COLOR") and environ.get("TERM", "") not in ("", "dumb")
