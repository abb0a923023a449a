"""The page's plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from minehat.page_plots import HEAD, INK, LAMP, POINTS, SOFT, SPLITS, Plot, class_colour, drawn

from ..gate.trial import Trial
from ..ranges import Histogram
from .decisions import Shift
from .grids import Grid, bars, shares
from .layers import LayerDrift

WIDE, SMALL = (11.2, 4.6), (3.9, 2.3)  # inches
HIGHEST = 80.0  # dB; nobody asks what lies above
ROOM = 12  # over the highest bar, for the legend; the scale is logarithmic
FAINTEST = 1e-7  # share of a tensor's values
CALIBRATED, OTHERS = SPLITS[3], SPLITS[:3]


def layers_plot(found: Sequence[LayerDrift]) -> Plot:
    """SQNR and cosine, layer by layer."""
    *layers, scores = found
    told = ("Signal over noise of each convolution's output (top; higher is better) and the cosine between both "
            "outputs (below; 1 is alike), with the noise of all layers before it. A fall from one layer to the next is "
            f"where rounding hurts. The dashed line is the scores': {decibels_told(scores.sqnr)}.")
    return Plot("From the first convolution to the last", told,
                drawn(lambda top, below: _layers(top, below, layers, scores), WIDE, rows=2))


def shift_plots(shift: Shift, classes: Sequence[str], conf: float, name: str) -> list[Plot]:
    """Scores against scores, and how they differ."""
    return [Plot("Scores before and after", f"What both models see (IoU 0.5 and more): its score in FP32 and in {name}."
                 f" Lines: the threshold, {conf:g}; upper left and lower right are decisions that change.",
                 drawn(lambda axes: _scores(axes, shift, classes, conf, name))),
            Plot("By how much", f"Score in {name} less that in FP32, of detections that either scores "
                 f"{conf / 2:g} or more.", drawn(lambda axes: _differences(axes, shift, classes, conf / 2)))]


def frontier_plot(trial: Trial) -> Plot:
    """Cost against loss."""
    return Plot("The frontier", "Each set of lifted layers that was tried: estimated arithmetic, all in INT8 being 1, "
                "and what is lost. Dashed: what may be lost. Ringed: what was taken.",
                drawn(lambda axes: _frontier(axes, trial)))


def grid_plots(found: Sequence[Grid], names: Sequence[str]) -> list[Plot]:
    """Histograms with their ranges. names: of the other pictures."""
    return [Plot(one.name, _grid_told(one, names),
                 drawn(lambda axes, grid=one: _grid(axes, grid, names), SMALL)) for one in found]


def decibels_told(value: float | None) -> str:
    """As people say it."""
    return "–" if value is None else "equal" if np.isinf(value) else f"{value:.1f} dB"


def share_told(value: float | None) -> str:
    """A share of clipped values."""
    return "–" if value is None else "0" if value == 0 else f"{value:.1e}"


def _layers(top: Any, below: Any, layers: Sequence[LayerDrift], scores: LayerDrift) -> None:
    places = np.arange(1, len(layers) + 1)
    lifted = np.array([one.lifted for one in layers], bool)
    sqnr = np.array([min(one.sqnr, HIGHEST) for one in layers])
    cosine = np.array([one.cosine for one in layers])
    top.axhline(min(scores.sqnr, HIGHEST), color=SOFT, linewidth=1, linestyle="--")
    for axes, values, label in ((top, sqnr, "SQNR, dB"), (below, cosine, "cosine")):
        axes.plot(places, values, color=CALIBRATED, linewidth=1)
        axes.scatter(places[~lifted], values[~lifted], s=16, color=SPLITS[0], zorder=3, label="in lower precision")
        if lifted.any():
            axes.scatter(places[lifted], values[lifted], s=44, color=LAMP, edgecolors=INK, zorder=4, label="lifted")
        axes.set_ylabel(label)
    below.set_xlabel("convolution, in the order of the graph")
    top.legend()


def _scores(axes: Any, shift: Shift, classes: Sequence[str], conf: float, name: str) -> None:
    for place, label in enumerate(classes):
        rows = shift.labels == place
        colour = class_colour(label, place)
        axes.scatter(shift.before[rows], shift.after[rows], s=9, alpha=0.45, linewidths=0, rasterized=True,
                     color=POINTS.get(colour, "#7d8ca3"))
        axes.scatter([], [], s=16, color=colour, label=label)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    for line in (axes.axvline, axes.axhline):
        line(conf, color=LAMP, linewidth=1.6)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score in FP32", ylabel=f"score in {name}")
    axes.legend(loc="upper left")


def _differences(axes: Any, shift: Shift, classes: Sequence[str], least: float) -> None:
    counted = np.maximum(shift.before, shift.after) >= least
    differences = shift.after - shift.before
    reach = max(0.05, float(np.abs(differences[counted]).max(initial=0.0)))
    edges = np.linspace(-reach, reach, 62)
    most = 1
    for place, label in enumerate(classes):
        values = differences[counted & (shift.labels == place)]
        counts = np.histogram(values, edges)[0]
        most = max(most, int(counts.max()))
        axes.stairs(counts, edges, color=class_colour(label, place), linewidth=1.6,
                    label=f"{label}, mean {values.mean():+.3f}" if len(values) else f"{label}, none")
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set(yscale="symlog", ylim=(0, ROOM * most), ylabel="detections", xlabel="difference of the scores")
    axes.legend(loc="upper left")


def _frontier(axes: Any, trial: Trial) -> None:
    watched = trial.budget.watched
    costs = [one.cost for one in trial.tried]
    series = (("mAP50", SPLITS[0], "o", [one.loss.map50.drop for one in trial.tried], trial.budget.map50),
              (f"{watched} recall", HEAD, "s", [one.loss.recall.drop for one in trial.tried], trial.budget.recall))
    for label, colour, marker, losses, allowed in series:
        axes.scatter(costs, 100 * np.array(losses), s=26, color=colour, marker=marker, label=label, zorder=3)
        axes.axhline(100 * allowed, color=colour, linewidth=1, linestyle="--")
        if trial.chosen:
            axes.scatter([trial.chosen.cost], [100 * losses[trial.tried.index(trial.chosen)]], s=130, marker="o",
                         facecolors="none", edgecolors=INK, zorder=4)
    axes.set(xlabel="cost", ylabel="lost, points")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.2f}×")
    axes.legend()


def _grid(axes: Any, grid: Grid, names: Sequence[str]) -> None:
    edges = bars(grid)
    assert grid.seen is not None
    axes.stairs(_visible(grid.seen, edges), edges, fill=True, baseline=FAINTEST, color=CALIBRATED, alpha=0.55)
    for place, other in enumerate(grid.others):
        if other is not None:
            axes.stairs(_visible(other, edges), edges, baseline=FAINTEST, color=OTHERS[place % len(OTHERS)],
                        linewidth=1.1, label=names[place])
    for end in (grid.pair.low, grid.pair.high):
        axes.axvline(end, color=LAMP, linewidth=2)
    axes.set(yscale="log", ylim=(FAINTEST, 1.5))
    axes.tick_params(labelsize=8)


def _visible(histogram: Histogram, edges: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.maximum(shares(histogram, edges), FAINTEST)


def _grid_told(grid: Grid, names: Sequence[str]) -> str:
    parts = [f"{grid.pair.low:.4g} to {grid.pair.high:.4g}", f"clipped {share_told(grid.clipped)}",
             *(f"{share_told(share)} on {name}" for share, name in zip(grid.clipped_elsewhere, names, strict=True)),
             f"99.8 % of the values use {100 * (grid.used or 0):.0f} %"]
    return ", ".join(parts)
