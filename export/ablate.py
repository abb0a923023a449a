"""Train the rows of the paper's tables and lay its figures beside ours.

    python export/ablate.py --data helmets --data heads@0.3 --val helmets --table attention --budget 120
    python export/ablate.py ... --report docs/ablation      # the same command: show what is finished, train nothing

Tables: attention (and anchors), backbone, data, as the paper has them; recipe is ours: what the modern recipe
adds to the paper's, one thing a row. Every row trains for the same epochs: --epochs, or as many as --budget minutes
hold on this machine for all rows and seeds.

Each row trains in OUT/<row>-<seed>/. OUT/results.json keeps what is finished: the same command again goes on where it
was broken off, and more --seeds or another --table add to it. OUT/table.md, OUT/<table>.png and stderr get the
tables; stdout one JSON line. A picture's time is measured at the end, all rows in turns, on this machine.
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
from minehat.arguments import above_zero, parser_of, positive
from minehat.backends.ort import cores
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.files import ready_folder, write_whole
from minehat.machine import cpu_name
from minehat.progress import say
from minenet.ablation.figures import Found
from minenet.ablation.gather import found_of, made_of
from minenet.ablation.plan import Journal, Plan, set_name
from minenet.ablation.plots import plot_table
from minenet.ablation.report import page_json, page_of
from minenet.ablation.rows import TABLES, rows_of, table_of
from minenet.ablation.runs import finish_runs
from minenet.backbones import WIDTHS
from minenet.devices import usable


def arguments() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--data", action="append", required=True, metavar="FOLDER[:PREFIX][@SHARE]",
                        help="training pictures, as for train.py; for --table data the helmets first")
    parser.add_argument("--val", required=True, metavar="FOLDER", help="folder whose val split scores the rows")
    parser.add_argument("--table", action="append", required=True, choices=TABLES,
                        help="may be repeated: rows that they share train once")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="(%(default)s)")
    parser.add_argument("--report", type=Path, metavar="FOLDER",
                        help="train nothing: write README.md, plots and results.json of what is finished so far there, "
                        "to be shared (folders lose their places)")
    parser.add_argument("--width", choices=WIDTHS, default="nano", help="share of the channels (%(default)s)")
    parser.add_argument("--seeds", default="0", metavar="A,B,...", help="a run of every row for each (%(default)s)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=positive, help="of every run (10)")
    length.add_argument("--budget", type=above_zero, metavar="MINUTES",
                        help="choose the epochs so that all rows and seeds are trained and scored by then")
    parser.add_argument("--batch", type=positive, default=16, help="pictures a step (%(default)s)")
    parser.add_argument("--size", type=positive, default=416, help="side of the square in pixels (%(default)s)")
    parser.add_argument("--lr", type=above_zero, default=0.01, help="but for the paper's recipe (%(default)s)")
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16; times stay FP32")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (the GPU, where there is one)")
    parser.add_argument("--threads", type=positive, help="CPU threads (all)")
    return parser


def main(argv: Sequence[str]) -> int:
    parser = arguments()
    args = parser.parse_args(argv)
    seeds, plan, device = _seeds(args.seeds), _plan(args), usable(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    tables = [table_of(name, plan.data) for name in dict.fromkeys(args.table)]
    journal, command, machine = Journal(args.out, plan), _command(args, parser), _machine(device)
    if args.report:
        _check_report(args.report, args.out, journal)
    ready_folder(args.report or args.out)
    if not args.report:
        say(f"{command}\non {machine}")
        finish_runs(rows_of(tables), seeds, journal, device, machine)
    found = found_of(tables, seeds, journal, device)
    made = made_of(tables, seeds, journal, command, machine)
    page, told = page_of(found, made), page_json(found, made)
    _write(args, found, page, told)
    say(page)
    print(json.dumps(told))
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    if args.size % 32:
        raise MineHatError(f"--size {args.size} must be a multiple of 32.")
    epochs = 0 if args.budget else args.epochs or 10
    return Plan(tuple(args.data), args.val, args.width, epochs, args.batch, args.size, args.lr, args.bf16, args.budget)


def _seeds(text: str) -> list[int]:
    try:
        seeds = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as exc:
        raise MineHatError(f"--seeds {text}: give whole numbers, such as 0,1,2.") from exc
    if min(seeds) < 0:
        raise MineHatError(f"--seeds {text}: they must not be negative.")
    return seeds


def _check_report(report: Path, out: Path, journal: Journal) -> None:
    if report.resolve() == out.resolve():
        raise MineHatError(f"--report {report} is --out, whose results.json keeps the runs. Name another folder.")
    if not journal.runs:
        raise MineHatError(f"{journal.path} tells of no finished run: nothing to report. Leave --report away to train.")


def _command(args: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """What was asked, with folders by their names alone."""
    words = ["python", "export/ablate.py"]
    for flag, value in vars(args).items():
        if flag in ("out", "report") or value == parser.get_default(flag):
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [f"--{flag}", *([] if one is True else [set_name(one) if flag in ("data", "val") else str(one)])]
    return shlex.join(words)


def _machine(device: str) -> str:
    gpu = f"{torch.cuda.get_device_name(device)}, " if device.startswith("cuda") else ""
    threads = torch.get_num_threads()
    return (f"{gpu}{cpu_name()}, {cores()} cores, {threads} thread{'' if threads == 1 else 's'}, "
            f"torch {torch.__version__}")


def _write(args: argparse.Namespace, found: Sequence[Found], page: str, told: dict[str, Any]) -> None:
    folder = args.report or args.out
    for one in found:
        plot_table(one, folder / f"{one.table.name}.png")
    write_whole(folder / ("README.md" if args.report else "table.md"), page)
    if args.report:
        write_whole(folder / "results.json", json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(run_door(main))
