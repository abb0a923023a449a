"""python benchmarks/gpu_check.py --out out/gpu-check

Tries and times, on a machine with an NVIDIA GPU, every GPU path that its libraries allow: memory, streams, graphs and
kernels through cuda-bindings and pycuda; engines of TensorRT and TensorRT-RTX, built from the shipped models, and ONNX
Runtime's CUDA provider, against ONNX Runtime on the CPU. Each check has a process of its own and a time limit, so
that a crash costs its row alone. What a library that is not here would be needed for is "not run", with the reason.

OUT gets gpu-check.json (machine, GPU, a row for each check with its figures) and gpu-check.log (all that the checks
printed). The table goes to stderr, the counts to stdout as one JSON line.

exit codes: 0 nothing failed; 2 there is no GPU here; 3 some checks failed, each named, and the rest is done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from minebench.gpu.apart import row_of
from minebench.gpu.facts import facts
from minebench.gpu.listed import all_checks
from minebench.gpu.outcome import FAILED, NOT_RUN, PASSED, Row
from minebench.gpu.told import told
from minehat.arguments import parser_of
from minehat.card import read_card
from minehat.cuda.driver import no_gpu
from minehat.doors import DONE, SOME_FAILED, run_door
from minehat.errors import MineHatError
from minehat.files import ready_folder, write_whole
from minehat.gpu import first_gpu
from minehat.progress import say

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = 1


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    gpu = first_gpu()
    if gpu is None:
        raise no_gpu()
    out = ready_folder(asked.out)
    models = [path for path in asked.model or sorted((ROOT / "models").glob("*/*.onnx"))
              if read_card(path).precision != "int8-cpu"]
    checks = [check for check in all_checks(models) if all(word in check.name for word in asked.only)]
    if not checks:
        raise MineHatError(f"--only {' '.join(asked.only)}: no check has that in its name. They are "
                           f"{', '.join(check.name for check in all_checks(models))}.")
    log = out / "gpu-check.log"
    write_whole(log, "")
    say(f"{gpu.name}, compute capability {gpu.capability}, CUDA {gpu.cuda_version}: {len(checks)} checks")
    rows: list[Row] = []
    for check in checks:
        rows.append(row_of(check, log))
        say(told(rows[-1]))
    counts = Counter(row.status for row in rows)
    summary = {status: counts[status] for status in (PASSED, FAILED, NOT_RUN)}
    report = {"schema": SCHEMA, **facts(gpu), "counts": summary, "rows": [asdict(row) for row in rows]}
    write_whole(out / "gpu-check.json", json.dumps(report, indent=1) + "\n")
    print(json.dumps({"gpu": gpu.name, **summary, "report": str(out / "gpu-check.json")}))
    return SOME_FAILED if counts[FAILED] else DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/gpu-check"), metavar="DIR",
                        help="folder of report and log (default: %(default)s)")
    parser.add_argument("--model", type=Path, action="append", metavar="FILE",
                        help=".onnx file with a card; repeated (default: the shipped ones)")
    parser.add_argument("--only", action="append", default=[], metavar="WORD",
                        help="only checks with this in their names; repeated, all of them")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
