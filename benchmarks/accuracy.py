"""python benchmarks/accuracy.py models/helmet-nano/helmet-nano.onnx --data FOLDER

Scores ONNX models or engines on labelled pictures: a Pascal VOC, YOLO or COCO folder, a data.yaml or a COCO .json.
All models see the same pictures; the first is what the others are measured against, in points of mAP50.
Average precision is COCO's, from detections of score 0.001 on; recall is at the threshold of the
model's card and IoU 0.5. `ignore` and `difficult` objects count neither way.

With --peers FOLDER, the INT8 files of others that lie there are scored too, and what our INT8 files lose against
each of the same form has its paired 95 % interval. ONNX Runtime's quantize_static makes its own there first, in several
settings and with our files' ranges, but for those of `quantize.py --equalise`, whose graph differs. All calibrate on
FOLDER/squares: the pictures of --images as the network sees them, for `quantize.py --images` too, and for the tools in
benchmarks/peers/, which write into the FOLDER.

The table goes to stderr. The last line on stdout is one JSON object: the first model's
map50, map, ap50, recall and images, and under "models" the same for each; with --peers, under
"pairs" the losses. A class of which the pictures hold no truth has null.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from minebench.accuracy import keep, see, show
from minebench.machine import machine
from minebench.peers.comparison import ours_and_theirs, show_pairs
from minebench.peers.folder import peers_of
from minehat.arguments import json_file, parser_of, positive
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.labels import class_map


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    peers = peers_of(asked.models, asked.peers, asked.images, asked.images_limit) if asked.peers else []
    seen = see([*asked.models, *peers], asked.data, asked.split, asked.limit, asked.threads, class_map(asked.map))
    results = seen.scores()
    show(results)
    if asked.keep:
        keep(results, f"{asked.data.resolve().name} {asked.split}")
    report = {**results[0].score.to_json(), "data": asked.data.resolve().name, "split": asked.split,
              "models": [result.to_json() for result in results]}
    if asked.peers:
        pairs = ours_and_theirs(seen, len(asked.models))
        show_pairs(pairs)
        report |= {"machine": machine(), "pairs": [pair.to_json() for pair in pairs]}
    if asked.json:
        write_whole(asked.json, json.dumps(report, indent=2) + "\n")
    print(json.dumps(report))
    return DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="ONNX files or engines")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="labelled pictures")
    parser.add_argument("--split", default="val", metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="what a class of the labels is called here; NAME=- leaves it out")
    parser.add_argument("--limit", type=positive, metavar="N", help="only N pictures, spread over the split")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of each model")
    parser.add_argument("--peers", type=Path, metavar="FOLDER",
                        help="score the INT8 files of others there too; MODELs are then the FP32 one and our INT8 ones")
    parser.add_argument("--images", type=Path, action="append", default=[], metavar="FOLDER|LIST.txt",
                        help="what others calibrate on, where the FOLDER has no squares yet; may be repeated")
    parser.add_argument("--images-limit", type=positive, metavar="N", help="on N of them, spread evenly (all)")
    parser.add_argument("--keep", action="store_true",
                        help="write the scores into the models' own cards (ONNX files; not with --limit)")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the JSON here too")
    asked = parser.parse_args(argv)
    if asked.keep and asked.limit:
        raise MineHatError("--keep wants the whole split: leave --limit away.")
    if asked.keep and asked.peers:
        raise MineHatError("--keep writes into the MODELs' own cards: score them without --peers.")
    if asked.images and not asked.peers:
        raise MineHatError("--images calibrates the files of others: name the folder for them with --peers.")
    return asked


if __name__ == "__main__":
    sys.exit(run_door(main))
