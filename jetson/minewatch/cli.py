"""minewatch run minewatch.yaml

The helmet watch: looks through cameras for months and never loses an alarm. `minewatch check CONFIG` names every
mistake of a configuration, `minewatch replay CLIP` the events that a recording would raise.

exit codes: 0 done, or asked to stop; 1 a fault of ours; 2 you can mend it; 3 part of it could not be seen; 78 the watch
must not be started again before somebody mended what its last line says.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from minehat.doors import DONE, MENDABLE, run_door
from minehat.errors import MineHatError
from minehat.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """The door. Returns the exit code."""
    return run_door(_main, argv)


def _main(argv: Sequence[str]) -> int:
    args = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = args.call
    return command(args)


def _parser() -> argparse.ArgumentParser:
    from .board import power
    from .doctor import command as doctor
    from .judging import replay  # here Ctrl-C is heard already while its libraries are loaded
    from .setup import command as setup

    parser = argparse.ArgumentParser(prog="minewatch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, call: Callable[[argparse.Namespace], int], text: str,
                page: str | None = None) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=page or text,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
        made.set_defaults(call=call)
        return made

    run = command("run", _run, "watch, until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew")
    check = command("check", _check, "name every mistake of a configuration, and what would stand in the way")
    check.add_argument("--cameras", action="store_true", help="open each camera, and say what it gives")
    for one in (run, check):
        one.add_argument("config", metavar="CONFIG", type=Path, help="a YAML file; see minewatch.example.yaml")
    replay.add_arguments(command("replay", replay.replay, "tell which events recordings would raise", replay.__doc__))
    setup.add_arguments(command("setup", setup.setup, "make the first configuration, by questions or from answers in "
                                "a file", setup.__doc__))
    support = command("support", _support, "write one file for whoever helps from afar, without secrets")
    support.add_argument("config", metavar="CONFIG", type=Path, help="right or wrong; the watch may run or not")
    support.add_argument("-o", "--out", metavar="FILE", type=Path, default=Path("minewatch-support.tar.gz"),
                         help="default: %(default)s")
    doctor.add_arguments(command("doctor", doctor.doctor, "look at the whole box: what is well, what is not, what to "
                                 "do next", doctor.__doc__))
    update = command("update", _update, "have the watch try a signed update that you bring")
    update.add_argument("place", metavar="FOLDER_OR_URL", help="what pack_update.py wrote: where MANIFEST.json lies")
    update.add_argument("config", metavar="CONFIG", type=Path, help="of the watch; it may run or not")
    power.add_arguments(command("power", power.power, "show or change the power mode of a Jetson", power.__doc__))
    command("hash-password", _hash_password, "ask for a password and print what `web.users` wants of it")
    return parser


def _run(args: argparse.Namespace) -> int:
    from .watch import GIVEN_UP, run

    _leave_closed_folder()
    code = run_door(lambda _: run(args.config), [])
    return GIVEN_UP if code == MENDABLE else code


def _leave_closed_folder() -> None:
    """Children begin in our folder: one that was removed, or is closed to this user, would end each of them."""
    try:
        os.chdir(os.getcwd())
    except OSError:
        os.chdir("/")


def _check(args: argparse.Namespace) -> int:
    from .config.check import check_config

    return check_config(args.config, args.cameras)


def _support(args: argparse.Namespace) -> int:
    from .support import support_bundle

    inside = support_bundle(args.config, args.out)
    say(f"{args.out}: {', '.join(inside)}")
    return DONE


def _update(args: argparse.Namespace) -> int:
    from .fleet.by_hand import update_by_hand

    return update_by_hand(args.place, args.config)


def _hash_password(args: argparse.Namespace) -> int:
    from .config.passwords import hashed

    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if password != getpass.getpass("once more: "):
            raise MineHatError("the two passwords differ. Type the same one twice.")
    else:
        password = sys.stdin.readline().rstrip("\n")
    print(hashed(password))
    return DONE
