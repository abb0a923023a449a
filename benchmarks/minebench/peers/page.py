"""The committed page: our precision beside others', from the JSON that the benchmarks left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minehat.scoring.paired import Interval
from minehat.tables import percent

from .comparison import HEAD, points

HEADING = """# Precision: our INT8 beside others'

Written by `python benchmarks/precision_report.py`; the figures are in precision.json. "Loses" is in points of mAP50, or
of bare heads found at the card's threshold and IoU 0.5, with the paired 95 % bootstrap interval over pictures; below
zero is a gain. What is worse than the other beyond the interval is marked so.
"""
PEERS = """## The same pictures, the same calibration

{pictures} labelled pictures ({data}). Others' files, and ours-same-pictures, are calibrated on the same squares, none
of them gated; shipped files as their card says, through the gate, which saw these labelled pictures. `ort-` is ONNX
Runtime's quantize_static: s8s8 symmetric with pairs at convolutions' inputs (for TensorRT), u8s8
with pairs on all operations (for CPUs), weights
per channel, decode in float; `ranges-of` with the ranges of that file of ours. `modelopt-` is NVIDIA ModelOpt,
symmetric. Ours are measured against those of the same form. All of it ran in ONNX Runtime on a CPU, {date}.

```bash
python benchmarks/accuracy.py helmet-nano.onnx helmet-nano.int8.onnx helmet-nano.int8-cpu.onnx --data helmets \\
    --images mine_frames/calib.txt --images helmets/ImageSets/Main/train.txt --images-limit 100 --peers out/peers
python calib/quantize.py helmet-nano.onnx --images out/peers/squares --equalise -o ours-same-pictures.int8.onnx
python calib/quantize.py helmet-nano.onnx --images out/peers/squares --form cpu --percentile 99.9999 \\
    -o ours-same-pictures.int8-cpu.onnx
python benchmarks/peers/modelopt_int8.py --help   # how to add NVIDIA ModelOpt's, in an environment of its own
```
"""
SOURCES = """## Which pictures to calibrate on

On {data}, {date}. `python benchmarks/calibration_sources.py helmet-nano.onnx --source mine=mine_frames/calib.txt
--source helmets=helmets/ImageSets/Main/train.txt --images-limit 100 --data helmets --out out/sources`; no gate, no
equalising, ranges by the 99.999th percentile.
"""
RACE = """## Against OpenVINO on a CPU: {model}

Processor time of one thread, one interleaved race of {turns} turns; NNCF calibrated on {squares} squares.
{cpu}, {versions}, {date}. `benchmarks/peers/openvino_race.py` tells how to repeat it.
"""


def page_of(figures: Mapping[str, Any]) -> str:
    """The page in Markdown. Parts that are not in `figures` are left out."""
    parts = [HEADING]
    if peers := figures.get("peers"):
        parts += [PEERS.format(pictures=peers["images"], data=f"{peers['data']} {peers['split']}",
                               date=peers["machine"]["date"][:10]), _accuracy(peers)]
    if sources := figures.get("sources"):
        parts += [SOURCES.format(data=sources["data"], date=sources["machine"]["date"][:10]),
                  _accuracy(sources, sources["calibration"])]
    for race in figures.get("races", []):
        parts += _race(race)
    return "\n".join(parts) + "\n"


def _accuracy(report: Mapping[str, Any], calibration: Mapping[str, Any] | None = None) -> str:
    """Models with their losses against the first, and, where there are such pairs, ours against the others."""
    first = report["models"][0]["model"]
    against_first = {pair["model"]: pair for pair in report["pairs"] if pair["against"] == first}
    header = ["model", "mAP50", "bare heads found", "loses mAP50", "loses bare heads"]
    rows = [[entry["model"], percent(entry["map50"]), percent(entry["recall"][HEAD]),
             *_losses(against_first.get(entry["model"]))] for entry in report["models"]]
    if calibration:
        header.insert(1, "calibrated on")
        for row in rows:
            facts = calibration.get(row[0])
            row.insert(1, f"{facts['images']}" if facts else "")
    others = [[pair["model"], pair["against"], *_losses(pair)] for pair in report["pairs"] if pair["against"] != first]
    tables = [_table(header, rows)]
    if others:
        tables.append(_table(["ours", "against", "loses mAP50", "loses bare heads"], others))
    return "\n".join(tables)


def _race(race: Mapping[str, Any]) -> Iterator[str]:
    box = race["machine"]
    versions = ", ".join(f"{name} {box['versions'][name]}" for name in ("onnxruntime", "openvino"))
    yield RACE.format(model=race["model"], turns=race["turns"], squares=race["squares"], cpu=box["cpu"],
                      versions=versions, date=box["date"][:10])
    yield _table(["engine", "CPU ms", "FP32 in ONNX Runtime takes", "of OpenVINO INT8's time"],
                 [[name, f"{row['cpu_ms']:.1f}", _times(row["gain"]), _times(row["of_openvino"])]
                  for name, row in race["race"].items()])
    if scored := race.get("accuracy"):
        yield _table(["", "against", "loses mAP50", "loses bare heads"],
                     [[pair["model"], pair["against"], *_losses(pair)] for pair in scored["pairs"]])


def _losses(pair: Mapping[str, Any] | None) -> list[str]:
    if pair is None:
        return ["", ""]
    found = [None if pair[key] is None else Interval(**pair[key]) for key in ("map50", "heads")]
    return [f"{points(one)}{' worse' if one is not None and one.low > 0 else ''}" for one in found]


def _times(figures: Sequence[float]) -> str:
    middle, low, high = figures
    return f"{middle:.2f}x ({low:.2f} to {high:.2f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
