"""What every plot shares: a light sheet 1200 pixels wide, drawn without a window, and the colours of the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minehat.errors import missing
from minehat.files import written_whole

WIDTH, DPI = 12.0, 100  # inches, pixels an inch
STYLE = {"font.size": 12, "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
         "legend.framealpha": 0.8, "lines.linewidth": 2.0}
BY_NAME = {"helmet": "#1f8f45", "head": "#d6322e"}  # as minehat.draw has them, darker to be seen on white
OTHERS = ("#1f77b4", "#ff9f1c", "#8e44ad", "#7f7f1f")
GREY = "#666666"


@contextmanager
def sheet(path: str | Path, height: float, rows: int = 1, columns: int = 1) -> Iterator[list[Any]]:
    """The axes of a sheet `height` inches tall, row by row; written whole to `path` (.png) when the block ends.

    Raises MineHatError where matplotlib is missing or the file cannot be written.
    """
    matplotlib, figure_of = load_matplotlib()
    with matplotlib.rc_context(STYLE):
        figure = figure_of(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="white")
        yield list(figure.subplots(rows, columns, squeeze=False).flat)
        with written_whole(path) as scratch:
            figure.savefig(scratch)


def colour_of(classes: Sequence[str], name: str) -> str:
    """The colour of a class: green for helmets, red for bare heads."""
    return BY_NAME.get(name, OTHERS[list(classes).index(name) % len(OTHERS)])


def dashes_of(classes: Sequence[str], name: str) -> str:
    """The line of a class, which tells classes apart where colours do not: bare heads are solid."""
    return "-" if name == "head" else ("--", "-.", ":")[list(classes).index(name) % 3]


def load_matplotlib() -> tuple[Any, Any]:
    """matplotlib and its Figure. Long work that ends in plots asks for them first: raises MineHatError where absent."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError as exc:
        raise missing("matplotlib", "plot figures", "`pip install 'minehat[train]'`.") from exc
    return matplotlib, Figure
