"""python benchmarks/fault_table.py

Writes docs/faults.md: every fault that the watch must stand, what is expected, which tests ask for it, and what the
last soak measured. Figures of `make soak` lie in out/soak/figures.jsonl; they are joined to docs/faults/measured.jsonl.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from minebench.faults import asked_by, lines_of, newest, read_catalogue, read_seen, table
from minehat.arguments import parser_of
from minehat.doors import DONE, run_door
from minehat.files import write_whole
from minehat.progress import say

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "docs" / "faults"


def main(argv: Sequence[str] | None = None) -> int:
    """The door. Returns the exit code."""
    return run_door(_main, argv)


def _main(argv: Sequence[str]) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--figures", type=Path, default=ROOT / "out" / "soak" / "figures.jsonl", metavar="FILE",
                        help="what the soak measured (out/soak/figures.jsonl)")
    args = parser.parse_args(argv)
    figures = newest([*read_seen(HOME / "measured.jsonl"), *read_seen(args.figures)])
    write_whole(HOME / "measured.jsonl", lines_of(figures))
    page = table(read_catalogue(HOME / "catalogue.tsv"), asked_by(ROOT / "tests"), figures)
    write_whole(ROOT / "docs" / "faults.md", page)
    say(f"docs/faults.md: {len(figures)} figures")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
