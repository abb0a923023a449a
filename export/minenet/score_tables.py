"""What scoring found, as tables for people on stderr; bare heads come first everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from minehat.progress import say
from minehat.scoring import Detail, Point
from minehat.scoring.pictures import HEAD
from minehat.tables import percent, print_table

WORST = 5  # pictures that are named


def show(detail: Detail) -> None:
    """All tables, under the one line that counts."""
    say(headline(detail))
    for title, header, rows in (_classes(detail), _sizes(detail), _best(detail), _thresholds(detail),
                                _confusion(detail)):
        say(f"\n{title}")
        print_table(header, list(rows))
    if detail.pictures:
        say(f"\nworst of {len(detail.pictures)} pictures with faults, by bare heads")
    for one in detail.pictures[:WORST]:
        say(f"{Path(one.picture).name}: {one.told}")


def headline(detail: Detail) -> str:
    """How many bare heads are found at the default threshold, and how sure that is."""
    head = detail.classes.get(HEAD)
    if head is None or head.at_conf.recall is None or head.recall_interval is None:
        return "bare heads found: none of them to be found in these pictures"
    low, high = head.recall_interval
    more = f"; {head.loose} more have a box that fits loosely, IoU 0.2 to 0.5" if head.loose else ""
    return (f"bare heads found: {percent(head.at_conf.recall)} % of {head.truths} at threshold {detail.conf:g} "
            f"(95 % interval {percent(low)} to {percent(high)}){more}")


Table = tuple[str, Sequence[str], Iterable[Sequence[str]]]


def _names(detail: Detail) -> list[str]:
    return sorted(detail.classes, key=lambda name: name != HEAD)


def _classes(detail: Detail) -> Table:
    rows = [[name, str(one.truths), percent(one.at_conf.recall), str(one.loose), percent(one.at_conf.precision),
             percent(one.ap50), percent(one.ap75), percent(one.ap), percent(one.voc_ap50)]
            for name, one in ((name, detail.classes[name]) for name in _names(detail))]
    total = sum(one.truths for one in detail.classes.values())
    rows.append(["mean", str(total), "", "", "", percent(detail.score.map50), "", percent(detail.score.map), ""])
    return (f"by class, % (recall and precision at {detail.conf:g}; loose: misses that have a box of IoU 0.2 to 0.5)",
            ["class", "there", "recall", "loose", "precision", "AP50", "AP75", "AP 50-95", "VOC AP50"], rows)


def _sizes(detail: Detail) -> Table:
    rows = ([f"{name} {size}", str(one.truths), percent(one.recall), percent(one.ap50), percent(one.ap)]
            for name in _names(detail) for size, one in detail.classes[name].sizes.items())
    return (f"by the longer side in the {detail.square[1]}x{detail.square[0]} square, pixels",
            ["class and size", "there", "recall", "AP50", "AP 50-95"], rows)


def _best(detail: Detail) -> Table:
    rows = ([f"{name}, {what}", *_cells(point)] for name in _names(detail)
            for what, point in (("default", detail.classes[name].at_conf), ("best F1", detail.classes[name].best_f1),
                                ("for alarms", detail.classes[name].alarm)) if point is not None)
    return ("thresholds worth having (for alarms: the highest that still finds 98 % of what 0.05 finds)",
            ["class", "threshold", "recall", "precision", "F1", "false"], rows)


def _cells(point: Point) -> list[str]:
    return [f"{point.threshold:g}", percent(point.recall), percent(point.precision), percent(point.f1),
            str(point.false_alarms)]


def _thresholds(detail: Detail) -> Table:
    names = _names(detail)
    columns = [detail.classes[name].thresholds for name in names]
    rows = ([f"{points[0].threshold:.2f}", *(cell for point in points for cell in
             (percent(point.recall), percent(point.precision), str(point.false_alarms)))]
            for points in zip(*columns, strict=True))
    return ("over thresholds, %",
            ["threshold", *(f"{name} {what}" for name in names for what in ("recall", "precision", "false"))], rows)


def _confusion(detail: Detail) -> Table:
    names = [*detail.classes, "nothing"]
    rows = ([name, *(str(count) for count in counts)] for name, counts in zip(names, detail.confusion, strict=True))
    return (f"what is there (rows) and what is seen (columns) at {detail.conf:g}", ["", *names], rows)
