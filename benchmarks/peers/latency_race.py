"""python benchmarks/peers/latency_race.py

Races our CPU path against what others use, so that anyone can repeat our claims: letterbox, suppression, engines and
whole frames, on the shipped nano and on `full` with random weights. Every lane is a process of its own; they take turns
and tell their own processor time.

The peers (ultralytics, which is AGPL; supervision, trtutils, OpenVINO with NNCF, torch) live in an environment that is
made once under --work by pip, some 2 GB, and is for comparison alone. Models are made there once too. Remove the folder
to make both anew.

It writes latency-race.md and .json to --out: goals, what was measured, and for goals that are missed where the time
goes. --only runs some of the tables and keeps the others' figures as they are in latency-race.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minebench.peers.environment import facts, make_models, ready_environment
from minebench.peers.explained import differences, explain
from minebench.peers.goals import judged
from minebench.peers.race_page import figure_told, limit_told, page_of
from minebench.peers.tables import TABLES
from minebench.peers.turns import race
from minehat.arguments import parser_of, positive
from minehat.doors import DONE, run_door
from minehat.errors import MineHatError
from minehat.files import ready_folder, write_whole
from minehat.progress import say
from minehat.tables import print_table

REPORTS = Path(__file__).resolve().parents[1] / "reports"
NAME = "latency-race"


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    ready_folder(asked.out)
    report = _before(asked.out / f"{NAME}.json")
    python = ready_environment(asked.env or asked.work / "env")
    models = asked.work / "models"
    make_models(python, models)
    begun = time.monotonic()
    for name in asked.only or TABLES:
        report["tables"][name] = _one_table(name, asked.turns, python, models)
        _write(report, asked.out)
    report["profiles"] = explain(judged(report["tables"]), python, models)
    _write(report, asked.out)
    _show(report)
    say(f"{asked.out / NAME}.md, raced for {time.monotonic() - begun:.0f} s")
    print(json.dumps({"goals": [verdict.to_json() for verdict in judged(report["tables"])]}))
    return DONE


def _one_table(name: str, most: int | None, python: Path, models: Path) -> dict[str, Any]:
    table = TABLES[name]
    turns = min(most or table.turns, table.turns)
    told = facts(python)
    lanes = race(name, table, turns, python, models)
    if table.compared:
        differences(name, lanes, models / "answers")
    return {"machine": told, "turns": turns, "lanes": lanes}


def _write(report: dict[str, Any], folder: Path) -> None:
    write_whole(folder / f"{NAME}.json", json.dumps(report, indent=1) + "\n")
    write_whole(folder / f"{NAME}.md", page_of(report))


def _show(report: dict[str, Any]) -> None:
    print_table(["figure", "goal", "measured", "met?"],
                [[verdict.goal.told, limit_told(verdict.goal), figure_told(verdict.figure, verdict.goal), verdict.word]
                 for verdict in judged(report["tables"])])


def _before(path: Path) -> dict[str, Any]:
    """What was raced before, whose tables stay where they are not raced anew."""
    if not path.exists():
        return {"tables": {}, "profiles": []}
    try:
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise MineHatError(f"{path} is no report of a race ({exc}). Remove it, or name another --out.") from exc
    return before


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--only", action="append", choices=list(TABLES), help="race this table alone; repeated")
    parser.add_argument("--turns", type=positive, metavar="N", help="at most so many of each table (default: its own)")
    parser.add_argument("--work", type=Path, default=Path("out/peers/race"), metavar="FOLDER",
                        help="where environment and models are (default: %(default)s)")
    parser.add_argument("--env", type=Path, metavar="FOLDER", help="an environment made before (default: under --work)")
    parser.add_argument("--out", type=Path, default=REPORTS, metavar="FOLDER", help="(default: %(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
