"""A latency report in words and rows: what its page and its Markdown tell alike. All of it comes from the JSON."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .work import Work

Report = dict[str, Any]
RATES = (1, 2, 5, 10, 15, 25)  # pictures a second that a camera is looked at
SPARE = 0.2  # of the machine's time, left for video, alarms and what else it does
BUSY, FEW = 0.1, 100  # share of the processor that others may spend; calls below which p99 says little
USUAL_RATE = 5
NEARLY = 0.95


@dataclass(frozen=True)
class Row:
    """A lane: its JSON, what to call it, and what follows from its figures."""

    name: str
    colour: int  # its model's place among the models
    model: dict[str, Any]
    cameras: tuple[int, ...]  # at each of RATES
    roof: Roof | None

    @property
    def per_frame(self) -> dict[str, float]:
        """Median milliseconds of each stage for one picture."""
        return {stage: found["p50"] / self.model["batch"] for stage, found in self.model["stages"].items()}


@dataclass(frozen=True)
class Roof:
    """What the device could do with this network at most, and what was reached."""

    device: str  # "cpu" or "gpu"
    work: Work
    ms: float  # of the network for one picture, if nothing but arithmetic or memory held it back
    measured_ms: float
    gops: float  # 10**9 operations a second that were reached

    @property
    def share(self) -> float:
        return self.ms / self.measured_ms


def rows_of(report: Report) -> list[Row]:
    """One for each lane, in the order of the race."""
    models = report["models"]
    named = list(dict.fromkeys(model["model"] for model in models))
    return [Row(lane_name(model, models), named.index(model["model"]), model, cameras(model["throughput_fps"]),
                _roof(report, place)) for place, model in enumerate(models)]


def lane_name(model: dict[str, Any], models: Sequence[dict[str, Any]]) -> str:
    """The model, with backend and batch where they differ."""
    parts = [model["model"].removesuffix(".onnx")]
    if len({other["backend"] for other in models}) > 1:
        parts.append(model["backend"])
    if len({other["batch"] for other in models}) > 1:
        parts.append(f"batch {model['batch']}")
    return ", ".join(parts)


def cameras(fps: float) -> tuple[int, ...]:
    """How many a throughput serves, at each of RATES."""
    return tuple(int(fps * (1 - SPARE) / rate) for rate in RATES)


def fastest(rows: Sequence[Row]) -> Row:
    """The lane that most pictures a second go through; of those within a few percent, that which makes none wait."""
    most = max(row.model["throughput_fps"] for row in rows)
    close = [row for row in rows if row.model["throughput_fps"] >= NEARLY * most]
    return min(close, key=lambda row: (row.model["batch"], -row.model["throughput_fps"]))


def headline(rows: Sequence[Row]) -> tuple[str, str]:
    """The one figure, and the sentence under it."""
    best = fastest(rows)
    whole = best.model["stages"]["whole"]
    model, served = best.model, best.cameras[RATES.index(USUAL_RATE)]
    group = f", {model['batch']} at a time" if model["batch"] > 1 else ""
    serves = f"{served} camera{'s' if served != 1 else ''}" if served else "not one camera"
    return (f"{model['throughput_fps']:.0f} pictures a second",
            f"That is {best.name} ({model['precision']}, {model['size']}, {model['backend']}){group}, from the "
            f"camera's frame to boxes: enough for {serves} at {USUAL_RATE} pictures a second each, with a fifth of the "
            f"time left. Half of the calls took less than {ms_told(whole['p50'])}, 99 of 100 less than "
            f"{ms_told(whole['p99'])}.")


def warnings(report: Report) -> list[str]:
    """What stands between these figures and the truth."""
    told = []
    others = report["others_share"]
    if others is not None and others > BUSY:
        told.append(f"This machine was busy: other work took {100 * others:.0f} % of its processor meanwhile. "
                    "Milliseconds on the clock are too long; CPU milliseconds and ratios between models hold better.")
    told += [f"It held itself back for {100 * share:.0f} % of the time: {why}."
             for why, share in report["sensors"]["throttled"].items()]
    if report["models"][0]["calls"] < FEW:
        told.append(f"Only {report['models'][0]['calls']} calls were timed of each: p99 is little more than the "
                    "longest. Take --frames 500.")
    return told


def facts(report: Report) -> list[tuple[str, str]]:
    """On what, with what, how."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    drawn = "rendered mine scenes" if report["rendered"] else report["source"]
    where = "each in a process of its own" if report["own_process"] else "in one process"
    return [("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB"),
            *([("GPU", machine["gpu"])] if "gpu" in machine else []),
            ("system", f"{machine['system']}, Python {machine['python']}"), ("libraries", versions),
            ("models", "; ".join(dict.fromkeys(
                f"{one['model']} ({one['precision']}, {one['size']}, {one['backend']})" for one in report["models"]))),
            ("pictures", f"{drawn}, {report['frame_size']}"),
            ("how", f"{report['models'][0]['calls']} timed calls of each after {report['warmup']} untimed ones, "
             f"{where}, in turns, call by call; {report['threads']} CPU thread{'s' if report['threads'] > 1 else ''}"),
            ("when", date_told(report))]


def sensors_told(report: Report) -> list[tuple[str, str]]:
    """What was sensed, in a line each; what was not, too."""
    sensors = report["sensors"]
    found = [(f"{part} clock", f"{one['mean']:.0f} MHz ({one['min']:.0f} to {one['max']:.0f})")
             for part, one in sensors.get("clocks_mhz", {}).items()]
    hottest = max(sensors.get("celsius", {}).items(), key=lambda item: item[1]["max"], default=None)
    if hottest:
        found.append(("hottest", f"{hottest[0]}, {hottest[1]['max']:.0f} °C"))
    if "total_watts" in sensors:
        watts = sensors["total_watts"]
        found.append(("power", f"{watts['mean']:.1f} W ({watts['min']:.1f} to {watts['max']:.1f})"))
    found += [(f"{part} load", f"{100 * one['mean']:.0f} %") for part, one in sensors.get("loads", {}).items()]
    missing = [word for key, word in (("celsius", "temperature"), ("total_watts", "power")) if not sensors.get(key)]
    if missing:
        found.append(("not told here", f"{' and '.join(missing)}: no sensor that may be read"))
    held = ", ".join(sensors["throttled"]) or "no sign of it"
    return [*found, ("held back by heat or power", held)]


def ms_told(ms: float) -> str:
    """As long as it needs to be."""
    return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.1f} ms" if ms >= 1 else f"{ms:.2f} ms"


def date_told(report: Report) -> str:
    """21 November 2026, 14:05"""
    return f"{datetime.datetime.fromisoformat(report['machine']['date']):%d %B %Y, %H:%M}"


def _roof(report: Report, place: int) -> Roof | None:
    counted = report.get("work", [None] * (place + 1))[place]
    kind = report.get("runs_on", [""] * (place + 1))[place]
    device = report.get("devices", {}).get(kind)
    if counted is None or device is None:
        return None
    work, model = Work(**counted), report["models"][place]
    measured = model["stages"]["infer"]["p50"] / model["batch"]
    ms = max(work.operations / device["gops"][work.kind], work.least_bytes(model["batch"]) / device["gb_per_s"]) / 1e6
    return Roof(kind, work, ms, measured, work.operations / measured / 1e6)
