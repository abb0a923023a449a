"""minewatch doctor /etc/minewatch/minewatch.yaml

Look at the whole box: machine, disks, time, service, configuration, model, cameras, receivers. One line each says what
is there, and, where it is not well, why that matters and what to do next. Nothing is changed, and a watch that runs is
not disturbed. Type it with sudo to see all.

exit codes: 0 all is well; 3 something should be seen to (warn); 2 something must be mended (BAD).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from minehat.doctor import CODES, report, tell, worst
from minehat.errors import MineHatError
from minehat.report_file import check_report, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minewatch doctor` takes."""
    parser.add_argument("config", metavar="CONFIG", type=Path, nargs="?",
                        help="a YAML file, right or wrong (/etc/minewatch/minewatch.yaml, where it is there)")
    parser.add_argument("--root", metavar="DIR", type=Path, default=Path("/"),
                        help="the folder that stands for /, such as another machine's disk; libraries and services are "
                        "not asked then (/)")
    parser.add_argument("--json", metavar="FILE", help="write all that was found into this .json file; - for stdout")


def doctor(args: argparse.Namespace) -> int:
    """Tell people on stderr and machines in --json. Returns the exit code; raises MineHatError."""
    from .whole import examine

    if not args.root.is_dir():
        raise MineHatError(f"--root {args.root}: no such folder. Name the one that stands for /.")
    check_report(args.json)
    findings = examine(args.root.absolute(), args.config)
    tell(findings)
    write_report(args.json, report(findings))
    return CODES[worst(findings)]
