"""python benchmarks/precision_report.py --peers peers.json --sources sources.json --race nano.json --race full.json

Writes benchmarks/reports/precision.md and the precision.json that its figures come from, out of what these left in the
file of --json: `accuracy.py --peers`, `calibration_sources.py` and `peers/openvino_race.py`. What is not given keeps
the figures that precision.json holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minebench.peers.page import page_of
from minehat.arguments import json_file, parser_of
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.progress import say

REPORTS = Path(__file__).resolve().parent / "reports"


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    kept = asked.out / "precision.json"
    figures: dict[str, Any] = _read(kept) if kept.exists() else {}
    for part in ("peers", "sources"):
        if getattr(asked, part):
            figures[part] = _read(getattr(asked, part))
    if asked.race:
        figures["races"] = [_read(path) for path in asked.race]
    page = page_of(figures)
    write_whole(kept, json.dumps(figures, indent=1) + "\n")
    write_whole(asked.out / "precision.md", page)
    say(f"{asked.out / 'precision.md'}")
    return DONE


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise MineHatError(f"{path} is no report ({exc}). Give the file that --json named.") from exc


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--peers", type=json_file, metavar="FILE", help="of accuracy.py --peers")
    parser.add_argument("--sources", type=json_file, metavar="FILE", help="of calibration_sources.py")
    parser.add_argument("--race", type=json_file, action="append", metavar="FILE", help="of openvino_race.py; repeated")
    parser.add_argument("--out", type=Path, default=REPORTS, metavar="FOLDER", help="(default: %(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
