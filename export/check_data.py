"""Look at labelled pictures before a network is trained on them.

    python export/check_data.py my-frames helmets --map hat=helmet --out out/check-data

Each DIR is a set that export/train.py reads: a Pascal VOC, YOLO or COCO folder (or its data.yaml or .json file). Every
picture is decoded. Faults are what training refuses: broken pictures and labels, boxes outside, unknown classes.
Leaks are pictures that are in two splits, of one DIR or of two, though re-encoded, resized, stretched or mirrored.
Notes may be right and are worth a look. OUT/index.html shows all of it, with plots and a sheet of pictures. The table
is for people; the last line on stdout is JSON. Exit codes: 0 clean (whatever the notes), 2 faults or leaks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
from minehat.arguments import json_file, parser_of, positive
from minehat.doors import DONE, MENDABLE, run_door
from minehat.errors import MineHatError
from minehat.files import ready_file, ready_folder, write_whole
from minehat.labels import class_map
from minehat.progress import say
from minenet.classes import CLASSES
from minenet.data.check.findings import findings_of
from minenet.data.check.page import page_of
from minenet.data.check.summary import figures_of, listed, table_of


def main(argv: Sequence[str]) -> int:
    args = _arguments(argv)
    cv2.setNumThreads(1)
    places, mapped = _places(args.place), class_map(args.map)
    page = ready_folder(args.out) / "index.html"
    if args.json:
        ready_file(args.json)
    found = findings_of(places, args.split, CLASSES, mapped, args.size)
    figures = {**figures_of(found), "page": str(page)}
    write_whole(page, page_of(found, places))
    if args.json:
        write_whole(args.json, json.dumps({**figures, "listed": listed(found)}, indent=1) + "\n")
    say(f"{table_of(found)}\n\n{'clean' if found.clean else 'not clean'}; look at {page}")
    print(json.dumps(figures))
    return DONE if found.clean else MENDABLE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("place", nargs="+", type=Path, metavar="DIR", help="a set of labelled pictures")
    parser.add_argument("--split", action="append", default=[], metavar="NAME",
                        help="look at this split alone; give it again for more (all that a DIR has)")
    parser.add_argument("--map", action="append", default=[], metavar="NAME=CLASS",
                        help="what a name in the labels means, as train.py has it; NAME=- leaves such objects out")
    parser.add_argument("--size", type=positive, default=416,
                        help="side of the square that the network will see, in pixels (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/check-data"), metavar="FOLDER",
                        help="where the page goes (%(default)s)")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the figures and every finding here")
    return parser.parse_args(argv)


def _places(given: Sequence[Path]) -> list[Path]:
    """Each place once. Raises MineHatError for one that is not there."""
    for place in given:
        if not place.exists():
            raise MineHatError(f"{place}: there is no such folder or file.")
    return list({place.resolve(): place for place in given}.values())


if __name__ == "__main__":
    sys.exit(run_door(main))
