"""openvino_race.py helmet.onnx helmet.int8-cpu.onnx helmet.int8.onnx --squares out/peers/squares

Races our INT8 files with OpenVINO's own INT8 (by NNCF, on the same calibration squares), and both in FP32: processor
time of one thread, turn by turn in one process. Ours run in OpenVINO (`--backend openvino`), the CPU form in ONNX
Runtime too. With --data, all are scored on the same labelled pictures, with paired 95 % intervals.

It wants an environment of its own, and the repository's rooms on the path:

    python -m venv /tmp/openvino
    /tmp/openvino/bin/pip install openvino nncf onnx onnxruntime opencv-python-headless pillow pycocotools
    PYTHONPATH=runtime:benchmarks /tmp/openvino/bin/python benchmarks/peers/openvino_race.py ...

Squares are made by `accuracy.py --images ... --peers out/peers`; any folder of PNG files of the network's size does.
The table goes to stderr, one JSON object to stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from minebench.accuracy import LOWEST_CONF, find_all
from minebench.machine import machine
from minebench.peers.comparison import compare_in_pairs, scores_to_json, show_pairs
from minebench.peers.engines import race_engines, ratio
from minebench.peers.openvino import fastest_rest, int8_by_nncf
from minebench.peers.squares import batches, squares_in
from minehat.arguments import json_file, parser_of, positive
from minehat.backends import Backend
from minehat.backends.openvino import OpenVinoBackend
from minehat.backends.ort import OrtBackend
from minehat.card import ModelCard, read_card
from minehat.detector import Detector
from minehat.doors import DONE, run_door
from minehat.files import write_whole
from minehat.labels import read_split
from minehat.scoring import spread
from minehat.tables import print_table

PLAIN, OTHER_PLAIN, OTHER = "FP32, ONNX Runtime", "FP32, OpenVINO", "INT8 by NNCF, OpenVINO"


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    card = read_card(asked.model)
    squares = squares_in(asked.squares)
    with TemporaryDirectory() as scratch:
        other = int8_by_nncf(asked.model, card, squares, Path(scratch) / "nncf.xml")
        engines = _engines(asked.model, asked.ours, other, card)
    spent = race_engines(engines, list(batches(spread(squares, 8), card)), asked.turns)
    report = {"machine": machine(), "model": asked.model.name, "squares": len(squares), "turns": asked.turns,
              "race": _race_json(spent)}
    _show(report["race"])
    if asked.data:
        report["accuracy"] = _accuracy(engines, card, asked.data, asked.split)
    if asked.json:
        write_whole(asked.json, json.dumps(report, indent=2) + "\n")
    print(json.dumps(report))
    return DONE


def _engines(model: Path, ours: Sequence[Path], other: Path, card: ModelCard) -> dict[str, Backend]:
    """By what tables call them, one thread each."""
    in_cpu_form = [path for path in ours if read_card(path).precision == "int8-cpu"]
    return {PLAIN: OrtBackend(model, card, 1), OTHER_PLAIN: OpenVinoBackend(model, card, 1),
            **{f"{path.name}, ONNX Runtime": OrtBackend(path, card, 1) for path in in_cpu_form},
            **{f"{path.name}, OpenVINO": OpenVinoBackend(path, card, 1) for path in ours},
            OTHER: OpenVinoBackend(other, card, 1, fastest_rest())}


def _race_json(spent: Mapping[str, Any]) -> dict[str, Any]:
    """Median milliseconds, how many times faster than FP32, and how many times OpenVINO INT8's time, by engine."""
    return {name: {"cpu_ms": float(np.median(ms)), "gain": ratio(spent[PLAIN], ms),
                   "of_openvino": ratio(ms, spent[OTHER])} for name, ms in spent.items()}


def _show(race: Mapping[str, Any]) -> None:
    print_table(["one thread", "CPU ms", "FP32 takes", "of OpenVINO INT8"],
                [[name, f"{row['cpu_ms']:.2f}", _with_interval(row["gain"]), _with_interval(row["of_openvino"])]
                 for name, row in race.items()])


def _with_interval(figures: Sequence[float]) -> str:
    middle, low, high = figures
    return f"{middle:.2f}x ({low:.2f} to {high:.2f})"


def _accuracy(engines: Mapping[str, Backend], card: ModelCard, data: Path, split: str) -> dict[str, Any]:
    truths = read_split(data, split, card.classes)
    detectors = [Detector(card, engine, LOWEST_CONF, card.iou) for engine in engines.values()]
    found = dict(zip(engines, find_all(detectors, truths), strict=True))
    wanted = [(name, against) for against in (PLAIN, OTHER) for name in engines if name not in (PLAIN, against)]
    pairs = compare_in_pairs(found, wanted, truths, card.classes, card.conf)
    show_pairs(pairs)
    return {"data": f"{data.resolve().name} {split}", "scores": scores_to_json(found, truths, card.classes, card.conf),
            "pairs": [pair.to_json() for pair in pairs]}


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("model", type=Path, help="the FP32 detector")
    parser.add_argument("ours", type=Path, nargs="+", metavar="OURS", help="what quantize.py made of it")
    parser.add_argument("--squares", type=Path, required=True, metavar="FOLDER", help="what NNCF calibrates on")
    parser.add_argument("--turns", type=positive, default=60, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="labelled pictures: score all of them too")
    parser.add_argument("--split", default="val", metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the JSON here too")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
