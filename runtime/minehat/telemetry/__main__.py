"""python -m minehat.telemetry --every 1

Prints clocks (MHz), temperatures (Celsius), power (watts), loads (0 to 1) and reasons of throttling of this machine, a
reading a line as JSON, until its stdin ends or Ctrl-C. `at` is seconds since the machine booted.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Sequence

from ..arguments import above_zero, parser_of
from ..doors import DONE, run_door
from .beside import EVERY
from .sources import read_all, sensors_here


def main(argv: Sequence[str]) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--every", type=above_zero, default=EVERY, metavar="SECONDS", help="(default: %(default)s)")
    parser.add_argument("--root", default="/", metavar="FOLDER", help="what stands for / (default: %(default)s)")
    asked = parser.parse_args(argv)
    sensors = sensors_here(asked.root)
    ended = False
    while not ended:
        print(json.dumps(read_all(sensors).to_json()), flush=True)
        ended = _ended_within(asked.every)
    print(json.dumps(read_all(sensors).to_json()), flush=True)
    return DONE


def _ended_within(seconds: float) -> bool:
    """Wait; True as soon as stdin has come to its end."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


if __name__ == "__main__":
    sys.exit(run_door(main))
