"""Pick the pictures that a detector is calibrated on, from what your cameras saw.

    python calib/pick_images.py recordings/ frames/ gate3.mp4 -o calibration --count 200

Near-duplicates are dropped, and the choice is spread over sources (each video, each folder of pictures), brightness and
content; the same footage and seed give the same pictures. DIR gets the pictures (copied byte for byte; frames of
videos as JPEG), calib.txt for quantize.py, manifest.json, and contact.jpg to look at. It must be new, empty or
an earlier pick, which is replaced; it appears when it is whole. Exit codes: 0 done, 2 you can mend
it (nothing written), 3 written, but some footage could not be read.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from minecalib.footage import Failed, count_looks, find_footage, looks
from minecalib.images import FEWEST
from minecalib.picked import LIST, SHEET, check_free, write_pick
from minecalib.picking import EDGES, Different, Look, choose, look_at
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.errors import MineHatError
from minehat.likeness import ALIKE, BITS
from minehat.progress import bar, say

MOST_SOURCES = 20  # rows of the table


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", nargs="+", metavar="FOOTAGE",
                        help="a picture, a video, or a folder of both (searched through)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    parser.add_argument("--count", type=int, default=200, help="how many to pick (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (%(default)s)")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS",
                        help="look at a frame of a video so often (%(default)s); above 10 videos are sought, not "
                             "decoded whole: take 15 or more for days of recordings")
    parser.add_argument("--alike", type=int, default=ALIKE, metavar="BITS",
                        help=f"frames whose hashes differ in no more of {BITS} bits are one, if about equally bright "
                             "(%(default)s); 0 drops exact copies alone, 30 also much the same view a little later")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    _check(args)
    failed: Failed = {}
    found = find_footage(args.footage, failed)
    check_free(args.out, found)
    different, seen = Different(args.alike), 0
    for footage, seconds, frame in bar(looks(found, args.every, failed), count_looks(found, args.every), "looking"):
        different.add(look_at(frame, footage, seconds))
        seen += 1
    if not seen:
        raise MineHatError(f"nothing to pick from: {next(iter(failed.values()))}")
    chosen = choose(different.looks, args.count, args.seed)
    about = {"seed": args.seed, "count": args.count, "every": args.every, "alike": args.alike, "seen": seen,
             "different": len(different.looks)}
    written = write_pick(args.out, chosen, about, failed)
    for reason in failed.values():
        say(f"passed over: {reason}")
    say(f"{seen} frames seen, {len(different.looks)} of them different, {written} picked\n\n{_table(chosen)}\n\n"
        f"Look at {args.out / SHEET}. Next: python calib/quantize.py MODEL --images {args.out / LIST} -o OUT")
    if written < FEWEST:
        say(f"quantize.py wants at least {FEWEST}: give more footage, a smaller --every or a smaller --alike.")
    return SOME_FAILED if failed else DONE


def _check(args: argparse.Namespace) -> None:
    if args.count < 1:
        raise MineHatError(f"--count {args.count}: give 1 or more.")
    if args.seed < 0:
        raise MineHatError(f"--seed {args.seed}: it must not be negative.")
    if not (math.isfinite(args.every) and args.every > 0):
        raise MineHatError(f"--every {args.every}: give seconds above 0.")
    if not 0 <= args.alike < BITS:
        raise MineHatError(f"--alike {args.alike}: give 0 to {BITS - 1}.")


def _table(chosen: Sequence[Look]) -> str:
    """How many of each source, by band of brightness (mean grey, 0..255)."""
    header = ["picked by brightness", *(f"<{edge}" for edge in EDGES), "more", "all"]
    sources: dict[str, Counter[int]] = {}
    for look in chosen:
        sources.setdefault(look.footage.source, Counter())[look.band] += 1
    total = sum(sources.values(), Counter())
    shown = [*list(sources.items())[:MOST_SOURCES], *([("all sources", total)] if len(sources) > 1 else [])]
    rows = [[_end(name), *(str(bands[one] or "-") for one in range(len(EDGES) + 1)), str(bands.total())]
            for name, bands in shown]
    first = max(len(row[0]) for row in [header, *rows])
    return "\n".join(row[0].ljust(first) + "".join(cell.rjust(6) for cell in row[1:]) for row in [header, *rows])


def _end(name: str) -> str:
    """The end of a long path."""
    return name if len(name) <= 40 else f"...{name[-37:]}"


if __name__ == "__main__":
    sys.exit(run_door(main))
