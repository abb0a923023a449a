"""The faults that the watch must stand, and their table: what is expected, which tests ask, what was seen."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """One case: what is done to the watch, and what must come of it."""

    case: str
    fault: str
    expected: str


@dataclass(frozen=True)
class Seen:
    """What a run on the wall clock measured."""

    case: str
    measured: str
    test: str
    date: str
    machine: str


@dataclass(frozen=True)
class Asking:
    """A test that asks for a case."""

    name: str
    soak: bool


def read_catalogue(path: Path) -> list[Fault]:
    """The cases of a file of tab-separated lines: case, fault, expectation."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Fault(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def asked_by(folder: Path) -> dict[str, list[Asking]]:
    """Which tests' docstrings begin with which case numbers, as in `A3, A4: the server stops.`"""
    found: dict[str, list[Asking]] = defaultdict(list)
    for path in sorted(folder.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole = _is_soak(ast.unparse(tree.body[:20])) if tree.body else False
        for test in _tests(tree):
            head, colon, _ = (ast.get_docstring(test) or "").partition(":")
            if colon:
                soak = whole or any("soak" in ast.unparse(mark) for mark in test.decorator_list)
                for case in re.findall(r"\b[A-I]\d{1,2}\b", head):
                    found[case].append(Asking(f"{path.stem}.{test.name}", soak))
    return found


def read_seen(path: Path) -> list[Seen]:
    """Figures, one JSON object a line; none where the file is absent."""
    if not path.exists():
        return []
    return [Seen(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def newest(figures: Iterable[Seen]) -> list[Seen]:
    """Of each test and case the last figure, in the order of the cases."""
    last = {(one.case, one.test): one for one in figures}
    return sorted(last.values(), key=lambda one: (one.case[0], int(one.case[1:]), one.test))


def lines_of(figures: Iterable[Seen]) -> str:
    """The figures as a file has them."""
    return "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in figures)


def table(catalogue: list[Fault], tests: dict[str, list[Asking]], figures: list[Seen]) -> str:
    """The page in Markdown."""
    rows = "\n".join(_row(fault, tests.get(fault.case, []), [one for one in figures if one.case == fault.case])
                     for fault in catalogue)
    asked = sum(1 for fault in catalogue if tests.get(fault.case))
    return f"""# What the watch stands

Made by `python benchmarks/fault_table.py`; not to be written by hand. {len(catalogue)} cases, {asked} of them asked
for by tests: those of `make test` turn the clock by hand and run on every commit, those of `make soak` run on the wall
clock and leave the figures.

| case | fault | expected | tests | measured |
|---|---|---|---|---|
{rows}
"""


def _row(fault: Fault, tests: list[Asking], figures: list[Seen]) -> str:
    asking = ", ".join(f"`{one.name}`{' (soak)' if one.soak else ''}" for one in tests) or "none"
    seen = "; ".join(f"{one.measured} ({one.date}, {one.machine})" for one in figures) or "-"
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in
                             (fault.case, fault.fault, fault.expected, asking, seen)) + " |"


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _is_soak(beginning: str) -> bool:
    return re.search(r"pytestmark = .*soak", beginning) is not None
