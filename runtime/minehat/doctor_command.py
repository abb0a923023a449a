"""minehat doctor models/helmet-nano/helmet-nano.int8-cpu.onnx

Look at this machine, and at models that shall run on it: one line each says what is there, and, where it is not well,
why that matters and what to do next. Nothing is changed. `minewatch doctor` looks at cameras and the service, too.

exit codes: 0 all is well; 3 something should be seen to (warn); 2 something must be mended (BAD).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .doctor import CODES, examine, report, tell, worst
from .errors import MineHatError
from .report_file import check_report, write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat doctor` takes."""
    parser.add_argument("models", metavar="MODEL", nargs="*", type=Path, help="an .onnx or .engine file")
    parser.add_argument("--root", metavar="DIR", type=Path, default=Path("/"), help="the folder that stands for /, "
                        "such as another machine's disk; libraries are not asked then (/)")
    parser.add_argument("--json", metavar="FILE", help="write all that was found into this .json file; - for stdout")


def run(args: argparse.Namespace) -> int:
    """Tell people on stderr and machines in --json. Returns the exit code; raises MineHatError."""
    if not args.root.is_dir():
        raise MineHatError(f"--root {args.root}: no such folder. Name the one that stands for /.")
    check_report(args.json, **{f"model {row}": str(file) for row, file in enumerate(args.models)})
    findings = examine(args.root.absolute(), args.models)
    tell(findings)
    write_report(args.json, report(findings))
    return CODES[worst(findings)]
