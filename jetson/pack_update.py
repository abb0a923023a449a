"""python jetson/pack_update.py out/update --key ~/minehat.key --site "North shaft" --model helmet.int8-cpu.onnx

Write a folder with a signed update for the boxes of a site: a model, a change of their configurations, or both. Copy it
as it is onto a stick, into a folder that the boxes see, or below a server's address; `updates.sources` of their
configuration names the place, or type `minewatch update FOLDER_OR_URL CONFIG` on a box. Each box verifies it, tries it
beside what runs, and keeps it or puts all back.

A change is a piece of configuration: what it says is laid over that of each box, `null` takes a key out, and cameras,
zones, webhooks and users are found by their names. Exit codes: 0 done, 2 you can mend it (nothing written).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from minehat.arguments import parser_of
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minewatch.berth import signing
from minewatch.berth.errors import Refused
from minewatch.fleet.packing import Wish, pack
from minewatch.fleet.update import STAMP


def main(argv: Sequence[str]) -> int:
    args = _arguments(argv)
    models = {"file": args.model, "card": args.card, "engine": args.engine, "fallback": args.fallback}
    wish = Wish(args.site, tuple(args.box), {name: file for name, file in models.items() if file}, args.change,
                args.note, args.instead_of or "", args.build or "")
    try:
        made = pack(args.out, wish, args.key, datetime.now(timezone.utc))
        print(f"{args.out}: build {made.build}, {made.bytes / 1e6:.1f} MB, for "
              f"{', '.join(made.boxes) or 'all boxes'} of {made.site}")
        print(f"signed by {signing.fingerprint_of_private(args.key)}")
    except Refused as exc:
        raise MineHatError(str(exc)) from exc
    return DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="folder; an earlier update there is replaced")
    parser.add_argument("--key", metavar="FILE", type=Path, required=True,
                        help="private key; bundle.py --new-key makes one, the boxes trust its public half")
    parser.add_argument("--site", required=True, help="`site` of the configurations that it is for")
    parser.add_argument("--box", action="append", default=[], metavar="NAME",
                        help="a box that it is for; once for each, default: all of the site")
    parser.add_argument("--model", metavar="FILE", type=Path, help="becomes `model.file`")
    parser.add_argument("--card", metavar="FILE", type=Path, help="for a model that carries none")
    parser.add_argument("--engine", metavar="FILE", type=Path, help="becomes `model.engine.onnx`")
    parser.add_argument("--fallback", metavar="FILE", type=Path, help="becomes `model.fallback`")
    parser.add_argument("--change", metavar="FILE", type=Path, help="piece of configuration, YAML")
    parser.add_argument("--note", default="", help="one line for people")
    parser.add_argument("--build", type=_stamp, metavar="BUILD",
                        help="make this build and not one of now, as 20261122T134500Z: an older one packed again")
    parser.add_argument("--instead-of", type=_stamp, metavar="BUILD",
                        help="boxes on which this build runs take the update although theirs is newer")
    args = parser.parse_args(argv)
    if not args.model and (args.card or args.engine or args.fallback):
        parser.error("--card, --engine and --fallback go with a --model")
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{0,200}", args.note):
        parser.error("--note is one line of at most 200 letters")
    return args


def _stamp(text: str) -> str:
    if not STAMP.fullmatch(text):
        raise argparse.ArgumentTypeError(f"found {text!r}; wanted a build as 20261122T134500Z")
    return text


if __name__ == "__main__":
    sys.exit(run_door(main))
