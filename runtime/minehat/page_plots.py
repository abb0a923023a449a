"""Plots as SVG that stands inside a page and takes its colours from there, light or dark."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import missing

# What stands in for the page's colours while matplotlib draws, and the CSS variables that take its place.
INKS = {"#010101": "--ink", "#020202": "--soft", "#030303": "--line", "#040404": "--lamp", "#111101": "--safe",
        "#111102": "--bare", "#111103": "--split1", "#111104": "--split2", "#111105": "--split3", "#111106": "--split4"}
INK, SOFT, LINE, LAMP, HELMET, HEAD, *SPLITS = INKS
CLASSES = {"helmet": HELMET, "head": HEAD}
POINTS = {HELMET: "#2f9d63", HEAD: "#e0503a"}  # of the picture within a scatter plot, fit for light and dark pages
STYLE = {"svg.fonttype": "none", "font.size": 9.5, "font.family": "sans-serif", "text.color": INK,
         "axes.labelcolor": SOFT, "axes.edgecolor": LINE, "xtick.color": SOFT, "ytick.color": SOFT, "grid.color": LINE,
         "xtick.labelcolor": SOFT, "ytick.labelcolor": SOFT, "axes.spines.top": False, "axes.spines.right": False,
         "axes.grid": True, "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 9}
SIZE = (5.4, 3.4)  # inches


@dataclass(frozen=True)
class Plot:
    """A drawing and what it shows."""

    title: str
    told: str
    svg: str


def class_colour(name: str, place: int) -> str:
    """What stands for the colour of a class, or of the `place`th other thing."""
    return CLASSES.get(name, SPLITS[place % len(SPLITS)])


def drawn(draw: Callable[..., None], size: tuple[float, float] = SIZE, rows: int = 1) -> str:
    """What `draw` does to `rows` axes, one above the other, as SVG. Raises MineHatError where matplotlib is missing."""
    matplotlib, figure_of = load_matplotlib()
    text = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = figure_of(figsize=size, dpi=160, layout="constrained", facecolor="none")
        axes = figure.subplots(rows, sharex=True, squeeze=False)[:, 0]
        for one in axes:
            one.set_facecolor("none")
        draw(*axes)
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg"):]
    for stand_in, variable in INKS.items():
        svg = svg.replace(stand_in, f"var({variable})")
    return svg


def load_matplotlib() -> tuple[Any, Any]:
    """matplotlib and its Figure. Raises MineHatError where it is absent."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError as exc:
        raise missing("matplotlib", "plot figures", "`pip install 'minehat[train]'`.") from exc
    return matplotlib, Figure
