"""What scoring found, drawn: precision over recall, thresholds, box sizes, what is mistaken for what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from minehat.files import ready_folder
from minehat.scoring import ClassDetail, Detail, Point
from minehat.scoring.pictures import HEAD

from .sheet import GREY, colour_of, dashes_of, sheet


def plot_detail(detail: Detail, folder: str | Path) -> None:
    """pr.png, thresholds.png, sizes.png and confusion.png in `folder`, which is made where it is absent.

    Raises MineHatError where matplotlib is missing or the folder cannot be written to.
    """
    folder = Path(folder)
    ready_folder(folder)
    with sheet(folder / "pr.png", 8) as (axes,):
        _precision_recall(axes, detail)
    for name, plot in (("thresholds.png", _thresholds), ("sizes.png", _sizes)):
        _by_class(folder / name, detail, plot)
    with sheet(folder / "confusion.png", 7) as (axes,):
        _confusion(axes, detail)


def _by_class(path: Path, detail: Detail, plot: Callable[[Any, Detail, ClassDetail], None]) -> None:
    """A panel a class, side by side; bare heads first."""
    names = sorted(detail.classes, key=lambda name: name != HEAD)
    with sheet(path, 6, 1, len(names)) as panels:
        for axes, name in zip(panels, names, strict=True):
            one = detail.classes[name]
            axes.set_title(f"{name}, {one.truths} in {detail.score.images} pictures")
            plot(axes, detail, one)


def _precision_recall(axes: Any, detail: Detail) -> None:
    names = list(detail.classes)
    for name, one in detail.classes.items():
        reached = [(recall, 100 * share) for recall, share in enumerate(one.precision) if share > 0]
        if reached:
            axes.plot(*zip(*reached, strict=True), color=colour_of(names, name), linestyle=dashes_of(names, name),
                      label=f"{name}: AP50 {100 * (one.ap50 or 0):.1f}")
        if one.at_conf.recall is not None and one.at_conf.precision is not None:
            axes.plot(100 * one.at_conf.recall, 100 * one.at_conf.precision, "o", markersize=11,
                      color=colour_of(names, name), label=f"{name} at threshold {detail.conf:g}")
    axes.set(title=f"precision over recall at IoU 0.5, {detail.score.images} pictures", xlim=(0, 101), ylim=(0, 103),
             xlabel="recall: of what is there, how much is found, %",
             ylabel="precision: of what is found, how much is there, %")
    if axes.lines:
        axes.legend(loc="lower left")


def _thresholds(axes: Any, detail: Detail, one: ClassDetail) -> None:
    if not one.truths:
        return
    for key, colour, dashes in (("recall", "#1f77b4", "-"), ("precision", "#ff7f0e", "--"), ("f1", "black", ":")):
        known = [(point.threshold, 100 * value) for point in one.thresholds
                 if (value := getattr(point, key)) is not None]
        axes.plot(*zip(*known, strict=True), color=colour, linestyle=dashes, label="F1" if key == "f1" else key)
    axes.axvline(detail.conf, color=GREY, linewidth=1.2, label=f"default, {detail.conf:g}")
    _mark(axes, one.best_f1, "^", "best F1")
    _mark(axes, one.alarm, "s", "for alarms")
    axes.set(xlabel="threshold", xlim=(0, 1), ylabel="%", ylim=(0, 105))
    axes.legend(loc="lower left", fontsize=10)


def _mark(axes: Any, point: Point | None, shape: str, label: str) -> None:
    """A threshold that is worth having, on the recall curve."""
    if point is not None and point.recall is not None:
        axes.plot(point.threshold, 100 * point.recall, shape, color="#1f77b4", markersize=10, markeredgecolor="black",
                  label=f"{label}, {point.threshold:g}")


def _sizes(axes: Any, detail: Detail, one: ClassDetail) -> None:
    for shift, key, colour, label in ((-0.2, "recall", "#1f77b4", f"recall at {detail.conf:g}"),
                                      (0.2, "ap50", "#b0b0b0", "AP50")):
        known = [(place + shift, 100 * value) for place, size in enumerate(one.sizes.values())
                 if (value := getattr(size, key)) is not None]
        if known:
            bars = axes.bar(*zip(*known, strict=True), 0.38, color=colour, label=label)
            axes.bar_label(bars, fmt="%.0f", fontsize=10)
    axes.set_xticks(range(len(one.sizes)), [f"{name}\n{size.truths} there" for name, size in one.sizes.items()])
    axes.set(xlabel=f"longer side in the {detail.square[1]}x{detail.square[0]} square, pixels", ylabel="%",
             xlim=(-0.6, len(one.sizes) - 0.4), ylim=(0, 118))
    axes.grid(False, axis="x")
    if one.truths:
        axes.legend(loc="upper center", ncols=2, fontsize=10)


def _confusion(axes: Any, detail: Detail) -> None:
    names = list(detail.classes)
    shares = [[count / max(sum(row), 1) for count in row] for row in detail.confusion[:-1]]
    axes.imshow([*shares, [0.0] * (len(names) + 1)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, counts in enumerate(detail.confusion[:-1]):
        for column, count in enumerate(counts):
            _cell(axes, column, row, f"{100 * shares[row][column]:.1f} %\n{count}", shares[row][column] > 0.6)
    for column, count in enumerate(detail.confusion[-1][:-1]):
        _cell(axes, column, len(names), f"{count}\n{count / max(detail.score.images, 1):.2f} a picture")
    if {HEAD, "helmet"} <= set(names):
        _outline(axes, names.index("helmet"), names.index(HEAD))
    axes.set_xticks(range(len(names) + 1), [*names, "nothing"])
    axes.set_yticks(range(len(names) + 1), [*names, "nothing"])
    axes.set(xlabel="seen", ylabel="there",
             title=f"threshold {detail.conf:g}, {detail.score.images} pictures: shares of what is there, and counts")
    axes.grid(False)


def _cell(axes: Any, column: int, row: int, text: str, dark: bool = False) -> None:
    axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=15)


def _outline(axes: Any, column: int, row: int) -> None:
    """A frame around the worst cell: a bare head that looks safe."""
    from matplotlib.patches import Rectangle
    axes.add_artist(Rectangle((column - 0.49, row - 0.49), 0.98, 0.98, fill=False, edgecolor="#d6322e", linewidth=3))
    axes.text(column, row + 0.42, "a missed alarm", ha="center", va="center", color="#d6322e", fontsize=12)
