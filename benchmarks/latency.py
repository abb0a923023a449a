"""python benchmarks/latency.py helmet-nano.onnx helmet-nano.int8-cpu.onnx --batch 1,4 --report out/latency.html

Times the stages of a frame: prepare (letterbox and input), infer (the network), finish (suppression and
back to the frame), and whole. Models, backends and batches are run in turns, call by call, so that
their ratios hold on a busy machine; CPU ms is the processor time of all threads. Milliseconds are of a call, which
takes a whole batch. Reading the source is timed apart. Sensors (clocks, heat, power, throttling) are read beside by
another process; where one tells watts, each model runs some seconds alone for its energy a frame.

Peak memory is the process's, with all models loaded; with --own-process each has a process, and figures, of its own.
--report draws it for people, beside the same as Markdown and JSON. The table goes to stderr. The last line on stdout is
one JSON object: machine, source, memory, sensors, and under "models" a row for each model, backend and batch:
p50/p90/p99/max ms of each stage, jitter, throughput. The file of --json holds every sample besides, for
`python benchmarks/compare.py`. --peers is another race, of ours against others' tools: `latency.py --peers --help`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minebench.frames import frames_of
from minebench.latency import STAGES
from minebench.latency_report import ready_report, write_report
from minebench.measured import Wish, measured
from minehat.arguments import json_file, parser_of, positive
from minehat.backends import CHOICES
from minehat.doors import DONE, run_door
from minehat.files import ready_file, write_whole
from minehat.tables import print_table
from peers.latency_race import main as race_peers


def main(argv: Sequence[str]) -> int:
    if "--peers" in argv:
        return race_peers([word for word in argv if word != "--peers"])
    asked = _arguments(argv)
    if asked.report:
        ready_report(asked.report)
    if asked.json:
        ready_file(asked.json)
    source = frames_of(asked.source, asked.frames * max(asked.batch))
    report = measured(Wish(asked.models, asked.backend, asked.batch, asked.threads, asked.own_process, asked.frames,
                           asked.warmup, bool(asked.report)), source)
    _show(report["models"])
    if asked.json:
        write_whole(asked.json, json.dumps(report) + "\n")
    if asked.report:
        write_report(asked.report, report)
    print(json.dumps(_without_samples(report)))
    return DONE


def _without_samples(report: dict[str, Any]) -> dict[str, Any]:
    """What fits into a line."""
    models = [{key: value for key, value in model.items() if key != "samples"} for model in report["models"]]
    sensors = {key: value for key, value in report["sensors"].items() if key != "readings"}
    return {**report, "models": models, "sensors": sensors}


def _show(models: list[dict[str, Any]]) -> None:
    first = models[0]["cpu_ms_per_frame"]
    print_table(["median ms a call", "backend", "batch", *STAGES, "p99", "CPU/frame", "CPU gain", "frames/s"],
                [[model["model"], model["backend"], str(model["batch"]),
                  *(f"{model['stages'][stage]['p50']:.2f}" for stage in STAGES),
                  f"{model['stages']['whole']['p99']:.2f}", f"{model['cpu_ms_per_frame']:.2f}",
                  f"{first / model['cpu_ms_per_frame']:.2f}x", f"{model['throughput_fps']:.1f}"] for model in models])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="ONNX files or engines")
    parser.add_argument("--source", help="picture, folder or video (default: rendered scenes of a mine)")
    parser.add_argument("--backend", type=_backends, default=("auto",), metavar="B,B",
                        help=f"each model by each of these: {', '.join(CHOICES)} (default: auto)")
    parser.add_argument("--batch", type=_batches, default=(1,), metavar="N,N",
                        help="frames a call; several are raced (default: 1)")
    parser.add_argument("--frames", type=positive, default=200, metavar="N",
                        help="timed calls of each model at each batch (default: %(default)s)")
    parser.add_argument("--warmup", type=positive, default=10, metavar="N",
                        help="untimed calls before (default: %(default)s)")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of each model")
    parser.add_argument("--own-process", action="store_true", help="each model at each batch in a process of its own")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the JSON here, with all samples")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page for people here, and beside it "
                        "the same as .md and .json")
    return parser.parse_args(argv)


def _batches(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(positive(part) for part in text.split(",")))


def _backends(text: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(text.split(",")))
    for name in named:
        if name not in CHOICES:
            raise argparse.ArgumentTypeError(f"must be of {', '.join(CHOICES)}, found {name!r}")
    return named


if __name__ == "__main__":
    sys.exit(run_door(main))
