"""python benchmarks/latency.py helmet-nano.onnx helmet-nano.int8-cpu.onnx

Times the stages of a frame: prepare (letterbox and input), infer (the network), finish (suppression and
back to the frame), and whole. Several models are run in turns, frame by frame in one process, so that
their ratios hold on a busy machine; CPU ms is the processor time of all threads. Reading the source is
timed apart. Peak memory is the process's, with all models loaded: name one model to know its own.

The table goes to stderr. The last line on stdout is one JSON object: machine, source, threads, read_ms,
peak_rss_mb and under "models" backend, model, p50/p90/p99/max ms of each stage, frames, throughput.
The file of --json holds every sample besides, for `python benchmarks/compare.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import minehat
from minebench.frames import Frames, frames_of
from minebench.latency import STAGES, percentiles, race
from minebench.machine import machine, peak_rss_mb
from minebench.names import names_of
from minehat.arguments import json_file, parser_of, positive
from minehat.backends.ort import cores
from minehat.doors import DONE, run_door
from minehat.files import write_whole
from minehat.tables import print_table


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    with contextlib.ExitStack() as opened:
        detectors = [opened.enter_context(minehat.open(path, threads=asked.threads)) for path in asked.models]
        source = frames_of(asked.source, asked.frames)
        timed = race(detectors, source.frames, asked.frames, asked.warmup)
        models = [{"model": name, "backend": detector.backend.name, **_card_json(detector.card),
                   **samples.to_json()}
                  for name, detector, samples in zip(names_of(asked.models), detectors, timed, strict=True)]
    report = {"machine": machine(), **_source_json(source), "warmup": asked.warmup, "threads": asked.threads or cores(),
              "peak_rss_mb": round(peak_rss_mb(), 1), "models": models}
    _show(models)
    if asked.json:
        write_whole(asked.json, json.dumps(report) + "\n")
    print(json.dumps({**report, "models": [_without_samples(model) for model in models]}))
    return DONE


def _source_json(source: Frames) -> dict[str, Any]:
    height, width = source.frames[0].shape[:2]
    return {"source": source.source, "frame_size": f"{width}x{height}",
            "read_ms": percentiles(source.read_ms)}


def _card_json(card: minehat.ModelCard) -> dict[str, str]:
    return {"precision": card.precision, "size": card.size_text}


def _without_samples(model: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key != "samples"}


def _show(models: list[dict[str, Any]]) -> None:
    first = models[0]["cpu_ms"]["p50"]
    print_table(["median ms", *STAGES, "p99", "CPU", "CPU gain"],
                [[model["model"], *(f"{model['stages'][stage]['p50']:.2f}" for stage in STAGES),
                  f"{model['stages']['whole']['p99']:.2f}", f"{model['cpu_ms']['p50']:.2f}",
                  f"{first / model['cpu_ms']['p50']:.2f}x"] for model in models])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="ONNX files or engines")
    parser.add_argument("--source", help="picture, folder or video (default: rendered scenes of a mine)")
    parser.add_argument("--frames", type=positive, default=200, metavar="N",
                        help="timed frames of each model (default: %(default)s)")
    parser.add_argument("--warmup", type=positive, default=10, metavar="N",
                        help="untimed frames before (default: %(default)s)")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of each model")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the JSON here, with all samples")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
