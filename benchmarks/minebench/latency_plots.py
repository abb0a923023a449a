"""The plots of the latency page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from minehat.page_plots import HEAD, HELMET, INK, LAMP, SOFT, SPLITS, Plot, drawn

from .latency_told import Report, Roof, Row

WIDE, FLAT, HALF = (11.2, 4.8), (11.2, 2.8), (5.6, 4.2)  # inches
COLOURS = (SPLITS[0], SPLITS[1], SPLITS[2], HELMET, SPLITS[3], HEAD, LAMP)
DASHES = ("-", "--", ":", "-.")
CURVES = (("celsius", "°C"), ("clocks_mhz", "MHz"), ("watts", "W"), ("loads", "load, %"))


def distribution_plot(rows: Sequence[Row]) -> Plot:
    """How many calls are done within which time."""
    return Plot("How many are done in time", "Of 100 calls, how many had ended within the time below. The steeper, the "
                "steadier; the dots are the median and 99 of 100.", drawn(lambda axes: _distribution(axes, rows), HALF))


def course_plot(rows: Sequence[Row]) -> Plot:
    """Call after call."""
    return Plot("Call after call", "Each call of the run, first to last. A slope says that the machine warmed up or "
                "slowed down; spikes, that something else wanted it.", drawn(lambda axes: _course(axes, rows), HALF))


def batch_plot(rows: Sequence[Row]) -> Plot:
    """Throughput by batch."""
    return Plot("Several pictures at a time", "Pictures a second by how many go through the network at once. Where the "
                "line is flat, taking them together gains nothing and only makes each wait.",
                drawn(lambda axes: _batches(axes, rows), FLAT))


def sensor_plot(report: Report) -> Plot | None:
    """The sensors' curves; None where none told anything twice."""
    readings = report["sensors"]["readings"]
    shown = [(key, unit) for key, unit in CURVES if any(reading.get(key) for reading in readings)]
    if len(readings) < 2 or not shown:
        return None
    size = (WIDE[0], 0.6 + 1.55 * len(shown))
    return Plot("Second by second", "What its sensors said while the models ran. Red bands: it held itself back.",
                drawn(lambda *axes: _curves(axes, readings, shown), size, rows=len(shown)))


def roofline_plot(report: Report, rows: Sequence[Row], kind: str) -> Plot:
    """The device's roof and how far below it each network ran."""
    device = report["devices"][kind]
    told = (f"{device['name']}, {device['how']}. Across: how much arithmetic a network does for each byte that it must "
            "fetch. Up: arithmetic done a second. Slanted, memory sets the limit, level, arithmetic; a dot on its line "
            "would be as fast as this device can be. Each dot's tail ends where it would be if no cache held anything.")
    roofs = [(row, row.roof) for row in rows if row.roof and row.roof.device == kind]
    return Plot("The limit of the device", told, drawn(lambda axes: _roofline(axes, device, roofs), WIDE))


def _line(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    """Colour by model, dashes by what else differs."""
    same = [other.name for other in rows if other.colour == row.colour]
    return {"color": COLOURS[row.colour % len(COLOURS)], "linestyle": DASHES[same.index(row.name) % len(DASHES)]}


def _distribution(axes: Any, rows: Sequence[Row]) -> None:
    most = 0.0
    for row in rows:
        ms = np.sort(row.model["samples"]["whole"])
        axes.plot(ms, 100 * np.arange(1, len(ms) + 1) / len(ms), linewidth=1.6, label=row.name, **_line(row, rows))
        found = row.model["stages"]["whole"]
        axes.scatter([found["p50"], found["p99"]], [50, 99], s=16, color=_line(row, rows)["color"], zorder=3)
        most = max(most, found["p99"])
    axes.set(xlabel="milliseconds a call", ylabel="of 100 calls", ylim=(0, 103), xlim=(0, 1.1 * most))
    _legend_below(axes, 2)


def _course(axes: Any, rows: Sequence[Row]) -> None:
    for row in rows:
        ms = np.array(row.model["samples"]["whole"])
        axes.plot(np.arange(1, len(ms) + 1), ms, linewidth=0.9, label=row.name, **_line(row, rows))
    axes.set(xlabel="call", ylabel="milliseconds")
    axes.set_ylim(bottom=0)
    _legend_below(axes, 2)


def _batches(axes: Any, rows: Sequence[Row]) -> None:
    lines: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        lines.setdefault((row.colour, row.model["backend"]), []).append(row)
    for (colour, backend), team in lines.items():
        team = sorted(team, key=lambda row: row.model["batch"])
        told = team[0].model["model"].removesuffix(".onnx")
        several = len({other.model["backend"] for other in rows}) > 1
        axes.plot([row.model["batch"] for row in team], [row.model["throughput_fps"] for row in team], marker="o",
                  color=COLOURS[colour % len(COLOURS)], label=f"{told}, {backend}" if several else told,
                  linestyle=DASHES[[key for key in lines if key[0] == colour].index((colour, backend)) % len(DASHES)])
    axes.set(xlabel="pictures at once", ylabel="pictures a second")
    axes.set_xticks(sorted({row.model["batch"] for row in rows}))
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _legend_below(axes: Any, columns: int, **more: Any) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, **more)


def _curves(all_axes: Sequence[Any], readings: Sequence[dict[str, Any]], shown: Sequence[tuple[str, str]]) -> None:
    at = np.array([reading["at"] for reading in readings])
    for axes, (key, unit) in zip(all_axes, shown, strict=True):
        parts = dict.fromkeys(part for reading in readings for part in reading.get(key, {}))
        scale = 100 if key == "loads" else 1
        for place, part in enumerate(parts):
            values = np.array([reading.get(key, {}).get(part, np.nan) for reading in readings], float)
            axes.plot(at, scale * values, linewidth=1.4, color=COLOURS[place % len(COLOURS)], label=part)
        axes.set_ylabel(unit)
        if key == "celsius":
            axes.margins(y=0.25)
        else:
            axes.set_ylim(0, 1.15 * max(max(reading.get(key, {}).values(), default=0) for reading in readings) * scale)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        _mark_throttling(axes, at, readings)
    all_axes[-1].set_xlabel("seconds")


def _mark_throttling(axes: Any, at: np.ndarray[Any, Any], readings: Sequence[dict[str, Any]]) -> None:
    for row, reading in enumerate(readings):
        if reading.get("throttled"):
            axes.axvspan(at[max(row - 1, 0)], at[row], color=HEAD, alpha=0.22, linewidth=0)


def _roofline(axes: Any, device: dict[str, Any], roofs: Sequence[tuple[Row, Roof]]) -> None:
    least = [roof.work.operations / roof.work.most_bytes(row.model["batch"]) for row, roof in roofs]
    most = [roof.work.operations / roof.work.least_bytes(row.model["batch"]) for row, roof in roofs]
    across = np.geomspace(min(least) / 4, max(most) * 3, 200)
    for kind in dict.fromkeys(["fp32", *(roof.work.kind for _, roof in roofs)]):
        roof_line = np.minimum(device["gops"][kind], device["gb_per_s"] * across)
        axes.plot(across, roof_line, color=INK, linewidth=1.6)
        axes.annotate(f"{kind.upper()}: {device['gops'][kind]:,.0f} billion operations a second",
                      (across[-1], device["gops"][kind]), (0, 5), textcoords="offset points", ha="right", color=SOFT)
    for (row, roof), low, high in zip(roofs, least, most, strict=True):
        colour = COLOURS[row.colour % len(COLOURS)]
        axes.plot([low, high], [roof.gops, roof.gops], color=colour, linewidth=1)
        axes.scatter([high], [roof.gops], s=70, color=colour, zorder=3, marker=_marker(row, roofs),
                     label=f"{row.name}: {100 * roof.share:.0f} %")
    axes.set(xscale="log", yscale="log", xlabel="operations for each byte", ylabel="billion operations a second")
    axes.set_ylim(bottom=min(roof.gops for _, roof in roofs) / 2, top=1.6 * max(device["gops"].values()))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(_ticker().LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.set_minor_formatter(_ticker().NullFormatter())
    _legend_below(axes, 3, title="share of the limit that was reached")


def _ticker() -> Any:
    from matplotlib import ticker
    return ticker


def _marker(row: Row, roofs: Sequence[tuple[Row, Roof]]) -> str:
    same = [other.name for other, _ in roofs if other.colour == row.colour]
    return "osD^v"[same.index(row.name) % 5]


