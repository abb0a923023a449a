"""calibration_sources.py helmet.onnx --source mine=calib.txt --source web=pictures/ --data helmets --out out/sources

Which pictures should INT8 be calibrated on? Calibrates both forms on each source alone and on all of them together,
by calib/quantize.py, and scores them beside the FP32 model on the same labelled pictures, with the paired 95 % interval
of what each loses. Files that lie in --out already are scored as they are.

The table goes to stderr, one JSON object to stdout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from minebench.accuracy import see, show
from minebench.machine import machine
from minebench.peers.comparison import ours_and_theirs, show_pairs
from minehat.arguments import json_file, parser_of, positive
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.onnx_metadata import read_metadata

QUANTIZE = Path(__file__).resolve().parents[1] / "calib" / "quantize.py"
FORMS = ("tensorrt", "cpu")
FACTS = "minehat.calibration"  # metadata key


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    sources = dict(_named(text) for text in asked.source)
    groups = {name: [path] for name, path in sources.items()}
    if len(sources) > 1:
        groups["+".join(sources)] = list(sources.values())
    made = [_quantized(asked, name, paths, form) for name, paths in groups.items() for form in FORMS]
    seen = see([asked.model, *made], asked.data, asked.split)
    pairs = ours_and_theirs(seen, len(seen.paths))
    results = seen.scores()
    show(results)
    show_pairs(pairs)
    report = {"machine": machine(), "data": f"{asked.data.resolve().name} {asked.split}",
              "models": [result.to_json() for result in results], "pairs": [pair.to_json() for pair in pairs],
              "calibration": {path.name: json.loads(read_metadata(path)[FACTS]) for path in made}}
    if asked.json:
        write_whole(asked.json, json.dumps(report, indent=2) + "\n")
    print(json.dumps(report))
    return DONE


def _quantized(asked: argparse.Namespace, name: str, sources: Sequence[Path], form: str) -> Path:
    """The model calibrated on the sources, made where it is not there yet."""
    out: Path = asked.out / f"{name}.{form}.onnx"
    if not out.exists():
        command = [sys.executable, str(QUANTIZE), str(asked.model), "--form", form, "-o", str(out)]
        for source in sources:
            command += ["--images", str(source)]
        if asked.images_limit:
            command += ["--limit", str(asked.images_limit)]
        if subprocess.run(command).returncode not in (0, 3):
            raise MineHatError(f"{out} was not made; the reason stands above.")
    return out


def _named(text: str) -> tuple[str, Path]:
    name, mark, path = text.partition("=")
    if not (name and mark and path) or "/" in name:
        raise MineHatError(f"--source {text}: wanted NAME=FOLDER or NAME=LIST.txt.")
    return name, Path(path)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("model", type=Path, help="the FP32 detector")
    parser.add_argument("--source", action="append", required=True, metavar="NAME=FOLDER|LIST.txt",
                        help="pictures to calibrate on, as for quantize.py --images; may be repeated")
    parser.add_argument("--images-limit", type=positive, metavar="N", help="on N of each, drawn at random (all)")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="labelled pictures to score on")
    parser.add_argument("--split", default="val", metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the INT8 files go")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the JSON here too")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
