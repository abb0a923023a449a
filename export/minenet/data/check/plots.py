"""Plots of a set's boxes and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from minehat.page_plots import INK, LAMP, POINTS, SPLITS, Plot, class_colour, drawn

from .measures import Column, Fit, Measures

MOST_POINTS = 6000
MOST_HEADS = 25  # pictures with more are counted in the last bin


def plots_of(measures: Measures, fit: Fit | None, side: int) -> list[Plot]:
    """Histograms and the boxes' shapes with the anchors. side: of the network's square. Raises MineHatError where
    matplotlib is missing."""
    if not len(measures.splits):
        return []
    by_split = _parts(measures.splits, measures.splits)
    plots = [Plot("Light", "Mean grey of a picture, 0 black to 255 white, in % of the split's pictures.",
                  drawn(lambda axes: _shares(axes, measures.brightness, by_split, np.arange(0, 261, 10)))),
             Plot("Heads in a picture", f"In % of the split's pictures; the last bar is {MOST_HEADS} and more.",
                  drawn(lambda axes: _shares(axes, np.minimum(measures.heads, MOST_HEADS), by_split,
                                             np.arange(MOST_HEADS + 2) - 0.5)))]
    return (_of_boxes(measures, fit, side) if len(measures.names) else []) + plots


def _of_boxes(measures: Measures, fit: Fit | None, side: int) -> list[Plot]:
    by_class = _parts(measures.names, measures.names)
    fitted = f"The yellow squares are the {len(fit.anchors)} anchors that training would choose; a box overlaps with " \
             f"the best of them by {100 * fit.iou:.0f} % on average (IoU)." if fit else \
             "The boxes are too few, or too alike, to choose anchors from."
    ratios = [width / height for width, height in fit.anchors] if fit else []
    return [Plot("Size of boxes", f"Side of a square as large as the box, pixels of the {side} × {side} square.",
                 drawn(lambda axes: _counts(axes, measures.side, by_class, _powers(measures.side, 36), "{:g}"))),
            Plot("Size in the picture", "Side of a square as large as the box, in % of the picture's.",
                 drawn(lambda axes: _counts(axes, 100 * measures.shares, by_class,
                                            _powers(100 * measures.shares, 36), "{:g}"))),
            Plot("Width over height", "A whole head is a little higher than wide. The yellow marks are the anchors'.",
                 drawn(lambda axes: _ratios(axes, measures, by_class, ratios))),
            Plot("Shapes and anchors", f"Width and height in pixels of the {side} × {side} square. {fitted}",
                 drawn(lambda axes: _shapes(axes, measures, by_class, fit)))]


def _parts(names: Any, of: Any) -> dict[str, Any]:
    """Which rows belong to each name, in the order in which they first appear."""
    return {name: of == name for name in dict.fromkeys(names.tolist())}


def _powers(values: Column, count: int) -> Column:
    """Edges of bins that are even in the logarithm."""
    low, high = max(values.min(), 0.1) / 1.05, max(values.max(), 0.2) * 1.05
    return np.geomspace(low, high, count + 1)


def _counts(axes: Any, values: Column, parts: Mapping[str, Any], edges: Column, label: str) -> None:
    """Boxes by class, over each other, on a logarithmic axis."""
    axes.hist([values[rows] for rows in parts.values()], bins=edges, stacked=True, label=list(parts),
              color=[class_colour(name, place) for place, name in enumerate(parts)])
    _logarithmic(axes.xaxis, edges[0], edges[-1], label)
    axes.set_ylabel("boxes")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend()


def _ratios(axes: Any, measures: Measures, parts: Mapping[str, Any], anchors: Sequence[float]) -> None:
    edges = np.geomspace(min(0.2, measures.ratio.min()), max(5, measures.ratio.max()), 41)
    _counts(axes, measures.ratio, parts, edges, "{:g}")
    for ratio in anchors:
        axes.axvline(ratio, ymin=0.93, color=LAMP, linewidth=3)


def _shapes(axes: Any, measures: Measures, parts: Mapping[str, Any], fit: Fit | None) -> None:
    step, size = -(-len(measures.names) // MOST_POINTS), 5 if len(measures.names) > 1000 else 16
    for place, (name, rows) in enumerate(parts.items()):
        some = measures.sides[rows][::step]
        colour = class_colour(name, place)
        axes.scatter(*some.T, s=size, alpha=0.4, color=POINTS.get(colour, "#7d8ca3"), linewidths=0, rasterized=True)
        axes.scatter([], [], s=16, color=colour, label=name)
    if fit:
        axes.scatter(*np.array(fit.anchors).T, s=46, marker="s", color=LAMP, edgecolors=INK, linewidths=1.2,
                     label="anchor")
    low, high = measures.sides.min() / 1.1, measures.sides.max() * 1.1
    for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
        scale("log")
        _logarithmic(axis, low, high, "{:g}")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_xlabel("width")
    axes.set_ylabel("height")
    axes.legend(loc="upper left")


def _shares(axes: Any, values: Column, parts: Mapping[str, Any], edges: Column) -> None:
    """Each split as a line of its own, in % of its pictures."""
    for place, (name, rows) in enumerate(parts.items()):
        counts = np.histogram(values[rows], edges)[0]
        axes.stairs(100 * counts / max(counts.sum(), 1), edges, color=SPLITS[place % len(SPLITS)], linewidth=1.8,
                    label=name)
    axes.set_ylabel("% of pictures")
    axes.legend()


def _logarithmic(axis: Any, low: float, high: float, label: str) -> None:
    """Ticks at 1, 2 and 5 times powers of ten, written out."""
    ticks = [step * 10.0 ** power for power in range(-2, 5) for step in (1, 2, 5)]
    axis.axes.set_xscale("log") if axis is axis.axes.xaxis else axis.axes.set_yscale("log")
    axis.set_ticks([tick for tick in ticks if low <= tick <= high], minor=False)
    axis.set_ticks([], minor=True)
    axis.set_major_formatter(lambda value, _: label.format(value))
