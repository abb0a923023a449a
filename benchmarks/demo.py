"""python benchmarks/demo.py --out out/demo --data FOLDER

The whole way on this machine: a checkpoint is exported to ONNX, made FP16 and INT8, compiled to engines where
TensorRT-RTX is installed, run on a rendered clip and on your pictures, timed and scored. Ends with a page,
OUT/index.html, that shows all of it.

FOLDER is a folder of pictures; or a Pascal VOC folder with a val split (classes helmet and head), to score
on; or one that holds `helmets/` (Pascal VOC) and `mine_frames/` (pictures of the site). Without it everything
is done on rendered scenes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from minebench.demo import walk_through
from minebench.page import page_of
from minebench.story import story_of
from minehat.arguments import parser_of
from minehat.doors import DONE, run_door
from minehat.files import write_whole

ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    begun = time.perf_counter()
    outcome = walk_through(ROOT, asked.checkpoint.resolve(), asked.data and asked.data.resolve(), asked.out.resolve())
    page = asked.out / "index.html"
    write_whole(page, page_of(story_of(outcome, time.perf_counter() - begun)))
    print(page)
    return DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="FOLDER",
                        help="where everything goes (default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="your pictures (default: rendered scenes)")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "models/helmet-nano/helmet-nano.pt",
                        metavar="FILE", help="of export/train.py (default: the shipped helmet-nano)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
