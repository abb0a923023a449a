"""python -m minehat.scenes film.mp4 --seed 7 --seconds 10

Draws a mine gallery with people walking through it: a film with the truth for each frame in
film.mp4.json, or with --pictures a Pascal VOC folder of single views. The same seed gives the
same pictures. Boxes span whole heads; those seen to less than 40 % or below 8 pixels have none.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from ..doors import DONE, run_door
from ..errors import MineHatError
from .written import write_film, write_pictures

SMALLEST_SIDE, LARGEST_SIDE = 64, 8192


def main(argv: Sequence[str]) -> int:
    """Draw what the arguments ask for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m minehat.scenes", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("film", nargs="?", metavar="OUT.mp4", help="the film to write")
    what.add_argument("--pictures", metavar="DIR", help="write pictures into this folder instead")
    parser.add_argument("--seed", type=_whole, default=0, help="which gallery and people (default 0)")
    parser.add_argument("--seconds", type=_positive, default=10.0, help="length of the film (default 10)")
    parser.add_argument("--fps", type=_positive, default=12.5, help="frames a second of the film (default 12.5)")
    parser.add_argument("--size", type=_size, default=(1280, 720), help="WxH of a frame (default 1280x720)")
    parser.add_argument("--count", type=_whole, default=100, help="how many pictures (default 100)")
    parser.add_argument("--split", default="val", help="the pictures' ImageSets/Main name (default val)")
    args = parser.parse_args(argv)
    width, height = args.size
    if args.pictures:
        write_pictures(args.pictures, args.count, args.seed, args.split, width, height)
    else:
        write_film(args.film, args.seed, args.seconds, width, height, args.fps)
    return DONE


def _size(text: str) -> tuple[int, int]:
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not sides or not all(SMALLEST_SIDE <= int(side) <= LARGEST_SIDE for side in sides.groups()):
        raise MineHatError(f"--size {text} is no size: write WxH, each {SMALLEST_SIDE} to {LARGEST_SIDE}, "
                           "as in 1280x720.")
    return int(sides[1]), int(sides[2])


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise MineHatError(f"{text!r} is no whole number from 0 on.")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 86400:
        raise MineHatError(f"{text!r} is no number above 0 (and below 86400).")
    return value


if __name__ == "__main__":
    sys.exit(run_door(main))
