"""sudo sh install.sh

Verify this bundle and install it beside the release that runs; then turn to it. No network is used. Nothing is written
before signature, processor, Python, every file and the room on the disk were found well. Cut short anywhere, what ran
goes on running, and the same command once more finishes the work.

exit codes: 0 done; 1 a fault of ours; 2 you can mend it, the last line says how.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import Refused
from . import told
from .layout import Layout
from .steps import Wish, install, roll_back, uninstall

DONE, MENDABLE, INTERRUPTED = 0, 2, 130


def main(here: str, arguments: Sequence[str]) -> int:
    """The door. `here` is the folder of install.sh. Returns the exit code."""
    while (handle := os.open(os.devnull, os.O_RDWR)) < 3:  # closed ones would be given to files that we open
        pass
    os.close(handle)
    args = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):  # a terminal that goes away leaves no half release either
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    os.umask(0o022)  # the watch's user reads what root installs
    os.nice(5)  # the release before goes on watching meanwhile
    try:
        _do(Path(here), args)
    except Refused as exc:
        told.warn(f"install.sh: {' '.join(str(exc).split())}")
        return MENDABLE
    except OSError as exc:
        told.warn(f"install.sh: {exc.filename or 'the disk'}: {exc.strerror or exc}. What ran before runs on; "
                  "mend that, then type the same again.")
        return MENDABLE
    except KeyboardInterrupt:
        told.warn("install.sh: stopped. What ran before runs on; the same command once more finishes the work.")
        return INTERRUPTED
    return DONE


def _do(here: Path, args: argparse.Namespace) -> None:
    layout = Layout(args.root.resolve())
    if not layout.root.is_dir():
        raise Refused(f"{args.root} is no folder. Make it first, or leave --root out.")
    if layout.live and os.geteuid() != 0:
        raise Refused("this changes the system and wants to be root. Type: sudo sh install.sh")
    if args.rollback:
        roll_back(layout, args.dry_run)
    elif args.uninstall:
        uninstall(layout, args.dry_run)
    else:
        install(layout, (args.bundle or here).resolve(), _wish(args))


def _wish(args: argparse.Namespace) -> Wish:
    if args.answers and args.root != Path("/"):
        raise Refused("--answers configures this system, not another root. Leave one of the two out.")
    return Wish(args.key, args.accept_key, args.older, args.answers and args.answers.resolve(), args.dry_run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="install.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rollback", action="store_true", help="turn to the release before; again, and it turns back")
    what.add_argument("--uninstall", action="store_true",
                      help="remove all but /etc/minewatch and /var/lib/minewatch, which are your data")
    what.add_argument("--bundle", metavar="FOLDER", type=Path,
                      help="an unpacked bundle (the one that install.sh lies in); so an installed release verifies the "
                           "next one: sudo sh /opt/minehat/current/install.sh --bundle FOLDER")
    parser.add_argument("--key", metavar="FILE", type=Path,
                        help="public key to trust from now on, instead of the one that is pinned here")
    parser.add_argument("--accept-key", metavar="FINGERPRINT",
                        help="trust the bundle's key without asking, if it has this fingerprint and none is pinned yet")
    parser.add_argument("--answers", metavar="FILE", type=Path,
                        help="then write the first configuration from this file, as `minewatch setup --answers` does, "
                             "and start the watch")
    parser.add_argument("--older", action="store_true", help="install it though a newer release is installed")
    parser.add_argument("--dry-run", action="store_true", help="look at everything and tell, change nothing")
    parser.add_argument("--root", metavar="FOLDER", type=Path, default=Path("/"),
                        help="install under another root, without user and services; to try it out")
    return parser
