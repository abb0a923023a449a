"""Pick the pictures that a detector is calibrated on, from what your cameras saw: FOOTAGE... OUT.

    python calib/pick_images.py recordings/ frames/ gate3.mp4 calibration --model helmet.onnx

Near-duplicates are dropped, and the choice is spread over sources (each video, each folder of pictures), brightness,
time, scenes and, with a model, over what it finds: nobody, a few, many, and what it is unsure of. The same footage
and seed give the same pictures. OUT gets the pictures (copied byte for byte; frames of videos as JPEG), calib.txt for
quantize.py, manifest.json, and contact.jpg to look at. It must be new, empty or an earlier pick, which is replaced;
it appears when it is whole. Ten hours of video take a minute or two: key frames are sought, the rest is not decoded.
Exit codes: 0 done, 2 you can mend it (nothing written), 3 written, but some footage could not be read.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from minecalib.images import FEWEST
from minecalib.picking.choice import choose
from minecalib.picking.content import watching
from minecalib.picking.folder import LIST, SHEET, check_free, write_pick
from minecalib.picking.footage import Failed, Footage, count_looks, find_footage, looks, spacing
from minecalib.picking.looks import Different
from minecalib.picking.table import spread_table
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.errors import MineHatError
from minehat.files import sha256_of
from minehat.likeness import ALIKE, BITS
from minehat.progress import bar, say

MOST_HELD = 4096  # different frames that are remembered, or MOST_EACH for each picture wanted, where that is more
MOST_EACH = 4


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     usage="pick_images.py FOOTAGE... OUT [options]")
    parser.add_argument("paths", nargs="+", metavar="FOOTAGE... OUT",
                        help="pictures, videos, folders of both (searched through); last, the folder to make")
    parser.add_argument("--count", type=int, default=200, help="how many to pick (%(default)s)")
    parser.add_argument("--model", type=Path, metavar="MODEL",
                        help="a detector; the choice is spread over what it finds in the frames, too")
    parser.add_argument("--card", type=Path, metavar="CARD.json", help="card of a model that carries none")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (%(default)s)")
    parser.add_argument("--every", type=float, metavar="SECONDS",
                        help="look at a frame of a video so often (default: for 10 looks a picture wanted, 1000 at "
                             "least, but once a second at most); of videos over 10 minutes at key frames alone")
    parser.add_argument("--alike", type=int, default=ALIKE, metavar="BITS",
                        help=f"frames whose hashes differ in no more of {BITS} bits are one, if about equally bright "
                             "(%(default)s); 0 drops exact copies alone, 30 also much the same view a little later")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_intermixed_args(argv)
    _check(args)
    *places, out = map(Path, args.paths)
    check_free(out, places)
    failed: Failed = {}
    found = find_footage(places, failed, but=out)
    every = args.every or spacing(found, args.count)
    different, seen = _looked(args, found, every, failed)
    if not seen:
        raise MineHatError(f"nothing to pick from: {next(iter(failed.values()))}")
    chosen = choose(different.looks, args.count, args.seed)
    about = {**_wish(args), "every": every, "seen": seen, "different": different.kept}
    written = write_pick(out, chosen, about, every, failed)
    for reason in failed.values():
        say(f"passed over: {reason}")
    say(f"{seen} frames seen{_spaced(found, every)}, {different.kept} of them different, {written} picked\n\n"
        f"{spread_table(chosen)}\n\n"
        f"Look at {out / SHEET}. Next: python calib/quantize.py MODEL --images {out / LIST} -o OUT")
    if written < args.count:
        too_few = f", and than the {FEWEST} that quantize.py wants" if written < FEWEST else ""
        say(f"Fewer than --count {args.count}{too_few}: give more footage, a smaller --every or a smaller --alike.")
    return SOME_FAILED if failed else DONE


def _looked(args: argparse.Namespace, found: Sequence[Footage], every: float, failed: Failed) -> tuple[Different, int]:
    """The frames that differ, and how many were looked at."""
    most = max(MOST_HELD, MOST_EACH * args.count)
    different, seen = Different(args.alike, most, partial(choose, seed=args.seed)), 0
    with watching(args.model, args.card) as content_of:
        for footage, seconds, frame in bar(looks(found, every, failed), count_looks(found, every), "looking"):
            different.add(frame, footage, seconds, content_of)
            seen += 1
    return different, seen


def _wish(args: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, as the manifest tells it."""
    model = None if args.model is None else {"file": str(args.model), "sha256": sha256_of(args.model)}
    return {"seed": args.seed, "count": args.count, "alike": args.alike, "model": model}


def _spaced(found: Sequence[Footage], every: float) -> str:
    minutes = sum(one.length for one in found) / 60
    told = f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.1f} min"
    return f" (of {told} of video one in {every:g} s)" if minutes else ""


def _check(args: argparse.Namespace) -> None:
    if len(args.paths) == 1:
        raise MineHatError(f"only {args.paths[0]} was named; name footage, and last the folder to make: "
                           f"`pick_images.py {args.paths[0]} calibration`.")
    if args.count < 1:
        raise MineHatError(f"--count {args.count}: give 1 or more.")
    if args.seed < 0:
        raise MineHatError(f"--seed {args.seed}: it must not be negative.")
    if args.every is not None and not (math.isfinite(args.every) and args.every > 0):
        raise MineHatError(f"--every {args.every}: give seconds above 0.")
    if not 0 <= args.alike < BITS:
        raise MineHatError(f"--alike {args.alike}: give 0 to {BITS - 1}.")
    if args.card and not args.model:
        raise MineHatError(f"--card {args.card} is for a model: name it with --model.")


if __name__ == "__main__":
    sys.exit(run_door(main))
