"""minewatch run /etc/minewatch/minewatch.yaml

Watches cameras for bare heads, for months. `minewatch check CONFIG` names every mistake of a configuration;
`minewatch replay CLIP` prints the events that a recording would raise.

Exit codes: 0 asked to stop, or done; 1 a fault of ours; 2 you can mend it; 3 part of it was not seen; 78 it must not be
started again before somebody mended it.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from minehat.doors import DONE, MENDABLE, run_door

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The door. Returns the exit code."""
    return run_door(_main, argv)


def _main(argv: Sequence[str]) -> int:
    args = _parser().parse_args(argv)
    command: Command = args.command
    return command(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minewatch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    return parser
