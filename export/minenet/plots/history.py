"""How a run went, epoch by epoch: loss and its terms, learning rate, average precision and recall."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .sheet import GREY, colour_of, dashes_of, sheet

Row = Mapping[str, float]
NO_LOSS = frozenset({"epoch", "lr", "seconds", "loading", "waiting", "map50", "map"})
BY_CLASS = ("ap50_", "recall_")


def plot_history(rows: Sequence[Row], path: str | Path) -> None:
    """A .png of a run's rows (those of results.csv as numbers); any column may be absent from any row.

    Recall is at the default threshold. Raises MineHatError where matplotlib is missing.
    """
    with sheet(path, 8.5, 2, 2) as (losses, rate, precision, classes):
        _losses(losses, rows)
        _line(rate, rows, "lr", "learning rate", color=GREY)
        rate.set_title("learning rate")
        _precision(precision, rows)
        _by_class(classes, rows)
        for axes in (losses, rate, precision, classes):
            _finish(axes, max((row.get("epoch", count) for count, row in enumerate(rows, 1)), default=1))


def _losses(axes: Any, rows: Sequence[Row]) -> None:
    columns = dict.fromkeys(key for row in rows for key in row)
    for name in columns:
        if name not in NO_LOSS and not name.startswith(BY_CLASS):
            _line(axes, rows, name, name, **({"color": "black"} if name == "loss" else {"linewidth": 1.3}))
    axes.set_title("training loss")


def _precision(axes: Any, rows: Sequence[Row]) -> None:
    _line(axes, rows, "map50", "mAP50", 100, color="#1f77b4")
    _line(axes, rows, "map", "mAP 50-95", 100, color="#1f77b4", linestyle="--")
    epochs, found = _points(rows, "map50")
    if found:
        best = max(range(len(found)), key=lambda row: found[row])
        axes.plot(epochs[best], 100 * found[best], "o", color="#1f77b4", markersize=9, fillstyle="none")
        axes.set_title(f"average precision, %: best mAP50 {100 * found[best]:.1f} after epoch {epochs[best]:g}")
    else:
        axes.set_title("average precision, %")


def _by_class(axes: Any, rows: Sequence[Row]) -> None:
    names = dict.fromkeys(key.partition("_")[2] for row in rows for key in row if key.startswith(BY_CLASS))
    for name in names:
        look = {"color": colour_of(list(names), name), "linestyle": dashes_of(list(names), name)}
        _line(axes, rows, f"ap50_{name}", f"AP50 {name}", 100, **look, linewidth=1.3)
        _line(axes, rows, f"recall_{name}", f"recall {name}", 100, **look, linewidth=2.6)
    axes.set_title("by class, %: AP50 thin, recall thick")


def _line(axes: Any, rows: Sequence[Row], column: str, label: str, factor: float = 1, **look: Any) -> None:
    epochs, values = _points(rows, column)
    if values:
        axes.plot(epochs, [factor * value for value in values], label=label, marker="." if len(values) < 40 else "",
                  **look)


def _points(rows: Sequence[Row], column: str) -> tuple[list[float], list[float]]:
    """Epochs and finite values of the rows that have the column; rows without an epoch are counted from 1."""
    points = [(row.get("epoch", count), row[column]) for count, row in enumerate(rows, 1)
              if column in row and math.isfinite(row[column])]
    return [epoch for epoch, _ in points], [value for _, value in points]


def _finish(axes: Any, epochs: float) -> None:
    axes.set_xlabel("epoch")
    axes.set_xlim(0, 1.02 * epochs)
    if not axes.lines:
        axes.text(0.5, 0.5, "nothing measured", transform=axes.transAxes, ha="center", color=GREY)
        return
    axes.set_ylim(bottom=0)
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend()
