"""python benchmarks/compare.py before.json after.json

Says whether B is slower than A: the ratio of their median milliseconds a call with a 95 % interval
(bootstrap), from reports that `latency.py --json` or `--report` wrote: for every model, backend and batch that both
timed. With one report, every model of that race is held against its first; that is the surer way, because the models
ran in turns. Of several pairs the intervals are wider, so that together they err as seldom as one.

Exit code 0: faster, or no difference that the interval can see. 4: slower. For CI, where two runs of the same code
differ by a few percent: `--allow 5`.
The last line on stdout is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from minebench.compare import BY, compare_all, pairs
from minehat.arguments import above_zero, parser_of
from minehat.doors import DONE, SLOWER, run_door
from minehat.tables import print_table


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    verdicts = compare_all(pairs(asked.a, asked.b, asked.by), asked.allow / 100)
    print_table([f"{asked.by} ms, B / A", "ratio", "from", "to", "so B is"],
                [[name, f"{found.ratio:.3f}", f"{found.low:.3f}", f"{found.high:.3f}", found.word]
                 for name, found in verdicts.items()])
    print(json.dumps({"by": asked.by, "allowed_percent": asked.allow,
                      "pairs": [{"name": name, **found.to_json()} for name, found in verdicts.items()]}))
    return SLOWER if any(found.word == "slower" for found in verdicts.values()) else DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("a", type=Path, metavar="A.json", help="report of latency.py: what B is held against")
    parser.add_argument("b", type=Path, nargs="?", metavar="B.json", help="the other report")
    parser.add_argument("--by", choices=BY, default="whole",
                        help="wall clock of the whole call or of a stage, or CPU time, which a busy machine disturbs "
                             "less (default: %(default)s)")
    parser.add_argument("--allow", type=above_zero, default=0.0, metavar="PERCENT",
                        help="a difference up to this is none (default: 0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
