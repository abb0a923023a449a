"""Train the rows of the paper's tables and lay its figures beside ours.

    python export/ablate.py --data helmets --data heads@0.3 --val helmets --table attention --epochs 10

Each row trains in OUT/<row>-<seed>/. OUT/results.json keeps what is finished: the same command again goes on where it
was broken off, and more --seeds or another --table add to it. OUT/table.md and stderr get the tables; stdout
one JSON line. A picture's time is measured at the end, all rows in turns, on this machine.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from minehat.backends.ort import cores
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.files import write_whole
from minehat.machine import cpu_name
from minehat.progress import say
from minenet.ablation.race import picture_ms
from minenet.ablation.report import figures_of, page_of
from minenet.ablation.runs import TABLES, Journal, Plan, Row, finish_runs, rows_of
from minenet.backbones import WIDTHS
from minenet.checkpoint import load_checkpoint


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, metavar="FOLDER[@SHARE]",
                        help="training pictures, as for train.py; for --table data the helmets first")
    parser.add_argument("--val", required=True, metavar="FOLDER", help="folder whose val split scores the rows")
    parser.add_argument("--table", action="append", required=True, choices=TABLES,
                        help="which of the paper's tables; may be repeated: rows that they share train once")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="(%(default)s)")
    parser.add_argument("--width", choices=WIDTHS, default="nano", help="share of the channels (%(default)s)")
    parser.add_argument("--seeds", default="0", metavar="A,B,...", help="a run of every row for each (%(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="of every run (%(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="pictures a step (%(default)s)")
    parser.add_argument("--size", type=int, default=416, help="side of the square in pixels (%(default)s)")
    parser.add_argument("--lr", type=float, default=0.01, help="(%(default)s)")
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16; times stay FP32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads (all)")
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    seeds = _seeds(args.seeds)
    plan = _plan(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    command = f"python export/ablate.py {shlex.join(argv)}"
    machine = _machine(args.device)
    tables = {name: rows_of(name, plan.data) for name in dict.fromkeys(args.table)}
    rows = list({row.name: row for rows in tables.values() for row in rows}.values())
    say(f"{command}\non {machine['device']}, {machine['cores']} cores")
    journal = finish_runs(rows, seeds, plan, args.out, args.device)
    ms = _timed(rows, args.out, seeds[0], plan.size, args.device)
    found = {name: [figures_of(row, _scores(journal, row, seeds), ms[row.name]) for row in rows]
             for name, rows in tables.items()}
    page = page_of(found, plan, command, machine)
    write_whole(args.out / "table.md", page)
    say(page)
    print(json.dumps({"tables": {name: [one.to_json() for one in figures] for name, figures in found.items()},
                      "epochs": plan.epochs, "width": plan.width, "seeds": seeds, "machine": machine,
                      "command": command}))
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    if args.epochs < 1 or args.batch < 1:
        raise MineHatError(f"--epochs {args.epochs} and --batch {args.batch} must be at least 1.")
    if args.size < 32 or args.size % 32:
        raise MineHatError(f"--size {args.size} must be a multiple of 32.")
    return Plan(tuple(args.data), args.val, args.width, args.epochs, args.batch, args.size, args.lr, args.bf16)


def _seeds(text: str) -> list[int]:
    try:
        seeds = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as exc:
        raise MineHatError(f"--seeds {text}: give whole numbers, such as 0,1,2.") from exc
    if min(seeds) < 0:
        raise MineHatError(f"--seeds {text}: they must not be negative.")
    return seeds


def _timed(rows: Sequence[Row], out: Path, seed: int, size: int, device: str) -> dict[str, float]:
    """Milliseconds a picture of every row's network, by the row's name."""
    networks = [load_checkpoint(out / f"{row.name}-{seed}" / "best.pt", device)[0] for row in rows]
    return dict(zip([row.name for row in rows], picture_ms(networks, size, device), strict=True))


def _scores(journal: Journal, row: Row, seeds: Sequence[int]) -> list[float]:
    return [journal.runs[f"{row.name}-{seed}"]["map50"] for seed in seeds]


def _machine(device: str) -> dict[str, Any]:
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {"device": gpu or cpu_name(), "cpu": cpu_name(), "cores": cores(), "threads": torch.get_num_threads(),
            "torch": torch.__version__}


if __name__ == "__main__":
    sys.exit(run_door(main))
