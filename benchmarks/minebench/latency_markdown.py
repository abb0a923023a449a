"""A latency report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .latency import STAGES
from .latency_told import RATES, Report, Row, facts, headline, rows_of, sensors_told, warnings


def markdown_of(report: Report) -> str:
    """The page's tables, without its plots."""
    rows = rows_of(report)
    title, told = headline(rows)
    parts = ["# Latency", f"**{title}.** {told}", *(f"> {warning}" for warning in warnings(report)),
             "## On what", _table(["", ""], facts(report)),
             "## Stages, median milliseconds a call", _table(*_stages(rows)),
             "## How steady, milliseconds a call", _table(*_steadiness(rows)),
             "## Cameras served, with a fifth of the time left", _table(*_cameras(rows)),
             "## What it takes", _table(*_cost(report, rows)),
             "## The machine meanwhile", _table(["", ""], sensors_told(report))]
    if any(row.roof for row in rows):
        parts += ["## The limit of the device", *_devices(report), _table(*_roofs(rows))]
    return "\n\n".join(parts) + "\n"


Table = tuple[Sequence[str], list[Sequence[str]]]


def _stages(rows: Sequence[Row]) -> Table:
    return (["model", *STAGES, "pictures/s"],
            [[row.name, *(f"{row.model['stages'][stage]['p50']:.2f}" for stage in STAGES),
              f"{row.model['throughput_fps']:.1f}"] for row in rows])


def _steadiness(rows: Sequence[Row]) -> Table:
    return (["model", "p50", "p90", "p99", "max", "p99 / p50", "standard deviation"],
            [[row.name, *(f"{row.model['stages']['whole'][key]:.2f}" for key in ("p50", "p90", "p99", "max")),
              f"{row.model['jitter']['p99_over_p50']:.2f}", f"{row.model['jitter']['std_ms']:.2f}"] for row in rows])


def _cameras(rows: Sequence[Row]) -> Table:
    return (["model", *(f"at {rate}/s" for rate in RATES)], [[row.name, *map(str, row.cameras)] for row in rows])


def _cost(report: Report, rows: Sequence[Row]) -> Table:
    gpu = report["sensors"]["gpu_memory_mb"]
    peak = f"all together {report['peak_rss_mb']:.0f}"
    return (["model", "CPU ms a picture", "peak memory, MB", "watts", "joules a picture"],
            [[row.name, f"{row.model['cpu_ms_per_frame']:.2f}",
              f"{row.model['peak_rss_mb']:.0f}" if "peak_rss_mb" in row.model else peak,
              f"{row.model['watts']:.1f}" if "watts" in row.model else "-",
              f"{row.model['joules_per_frame']:.3f}" if "joules_per_frame" in row.model else "-"] for row in rows]
            + ([["GPU memory, all", "", f"{gpu:.0f}", "", ""]] if gpu is not None else []))


def _devices(report: Report) -> list[str]:
    return [f"{device['name']}, {device['how']}: "
            + ", ".join(f"{kind.upper()} {gops:,.0f}" for kind, gops in device["gops"].items())
            + f" billion operations a second, {device['gb_per_s']:g} GB/s." for device in report["devices"].values()]


def _roofs(rows: Sequence[Row]) -> Table:
    return (["network", "operations, billion", "least bytes, MB", "at the limit, ms", "measured, ms", "share"],
            [[row.name, f"{row.roof.work.operations / 1e9:.2f}",
              f"{row.roof.work.least_bytes(row.model['batch']) / 1e6:.1f}", f"{row.roof.ms:.2f}",
              f"{row.roof.measured_ms:.2f}", f"{100 * row.roof.share:.0f} %"] for row in rows if row.roof])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruler = ["---", *["---:" if any(header) else "---"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in [header, ruler, *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
