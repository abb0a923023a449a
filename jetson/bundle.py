"""python jetson/bundle.py --target jp6 --key ~/minehat.key
python jetson/bundle.py --list

Write one file that installs MineHat on a box without a network: out/minehat-VERSION-TARGET-BUILD.tar, signed. Carry it
there, unpack it, and type `sudo sh install.sh` in its folder. It is made on a machine with a network, of any kind:
wheels are resolved and fetched for the box, not for this one, and kept for the next bundle. --new-key makes the key
that your boxes will trust: keep it closed, and give its public half (FILE.pem) to whoever installs the first time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from minehat.arguments import parser_of
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import cache_folder
from minewatch.berth import signing
from minewatch.berth.bundling.making import make_bundle, megabytes
from minewatch.berth.bundling.resolving import resolve
from minewatch.berth.errors import Refused
from minewatch.berth.targets import TARGETS, Target, target_of

CHECKOUT = Path(__file__).resolve().parents[1]


def main(argv: Sequence[str]) -> int:
    args = _arguments(argv)
    try:
        return _run(args)
    except Refused as exc:
        raise MineHatError(str(exc)) from exc


def _run(args: argparse.Namespace) -> int:
    if args.list:
        _print_targets()
        return DONE
    if args.new_key:
        _make_key(args.new_key)
    if args.target is None:
        return DONE
    target = target_of(args.target, args.python)
    cache = args.cache or cache_folder("wheels")
    if args.plan:
        _print_plan(target)
        return DONE
    key = args.key or args.new_key
    if key:
        signing.public_of(key)  # before minutes go by
    made = make_bundle(CHECKOUT, target, args.out, key, cache, datetime.now(timezone.utc))
    print(f"{made.path}: {made.bytes / 1e6:.0f} MB, {len(made.wheels)} wheels, "
          f"about {made.bytes_installed / 1e6:.0f} MB when installed")
    print(f"signed by {signing.fingerprint_of_private(key)}" if key else "not signed: install.sh will refuse it")
    print(f"on the box: tar xf {made.path.name} && cd {made.path.name.rpartition('-')[0]} && sudo sh install.sh")
    return DONE


def _make_key(private: Path) -> None:
    public = private.with_name(f"{private.name}.pem")
    print(f"{private} signs bundles: keep it closed. {public} is for whoever installs them.\n"
          f"fingerprint {signing.new_key(private, public)}")


def _print_targets() -> None:
    for one in TARGETS.values():
        print(f"{one.name:<9} Python {one.python:<5} {one.arch:<8} glibc {one.glibc}  {one.about}")


def _print_plan(target: Target) -> None:
    wanted = resolve(CHECKOUT / "pyproject.toml", target)
    for one in wanted:
        print(f"{one.bytes / 1e6:8.2f} MB  {one.file}")
    print(f"{megabytes(wanted):8} MB  {len(wanted)} wheels for {target.name}: Python {target.python}, "
          f"{target.platform}")


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--list", action="store_true", help="print what there are bundles for, and end")
    parser.add_argument("--target", metavar="NAME", help=f"one of {', '.join(TARGETS)}")
    parser.add_argument("--python", metavar="3.N", help="another Python than the target's usual one, such as 3.12")
    signed = parser.add_mutually_exclusive_group()
    signed.add_argument("--key", type=Path, metavar="FILE", help="the private key to sign with")
    signed.add_argument("--new-key", type=Path, metavar="FILE",
                        help="make a private key there, its public half in FILE.pem, and sign with it")
    signed.add_argument("--unsigned", action="store_true", help="leave it unsigned: to look at, not to install")
    parser.add_argument("--plan", action="store_true", help="print which wheels would be fetched, fetch nothing")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="FOLDER", help="where it goes (default: out)")
    parser.add_argument("--cache", type=Path, metavar="FOLDER",
                        help="where fetched wheels are kept (default: ~/.cache/minehat/wheels)")
    args = parser.parse_args(argv)
    if not (args.list or args.target or args.new_key):
        parser.error("name a --target, or look at them with --list")
    if args.target and not (args.key or args.new_key or args.unsigned or args.plan):
        parser.error("sign it with --key FILE, make a key with --new-key FILE, or say --unsigned")
    return args


if __name__ == "__main__":
    sys.exit(run_door(main))
