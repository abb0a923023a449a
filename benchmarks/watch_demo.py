"""python benchmarks/watch_demo.py --out out/watch-demo

The watch at work on this machine, with no GPU and no camera: clips of rendered galleries are played by an RTSP server,
`minewatch run` watches them with the shipped helmet-nano, a broker hears of the events where mosquitto is installed,
and the page shows all of it. Prints the page's address; Ctrl-C ends everything.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from minebench.lab.faultcam import FaultCam
from minebench.watch_demo import SCENES, Broker, Daemon, first_event, rendered, written_config
from minehat.arguments import above_zero, parser_of
from minehat.doors import DONE, run_door

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0  # seconds until the first event must be on the page


def main(argv: Sequence[str]) -> int:
    """Set everything up, wait for the first event, and stay until somebody has seen enough."""
    asked = _arguments(argv)
    enough = threading.Event()
    begun = time.monotonic()
    clips = rendered(SCENES, asked.out / "clips")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: enough.set())
    with ExitStack() as running:
        cameras = running.enter_context(FaultCam(clips))
        broker = running.enter_context(Broker(asked.out / "broker"))
        config = written_config(asked.out, asked.model.resolve(), cameras, broker)
        daemon = running.enter_context(Daemon(config))
        _introduce(daemon, broker, config)
        event = first_event(daemon, enough, PATIENCE)
        if event is not None:
            print(f"{time.monotonic() - begun:.0f} s after the start: {event}", flush=True)
        daemon.outlive(enough, asked.seconds)
    return DONE


def _introduce(daemon: Daemon, broker: Broker, config: Path) -> None:
    print(f"the page:  {daemon.url}", flush=True)
    print(f"the broker: {broker.told}", flush=True)
    print(f"configuration: {config}\nCtrl-C ends all.", flush=True)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/watch-demo"), metavar="FOLDER",
                        help="clips, configuration and events (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=ROOT / "models/helmet-nano/helmet-nano.int8-cpu.onnx",
                        metavar="FILE", help="what looks (default: the shipped helmet-nano)")
    parser.add_argument("--seconds", type=above_zero, metavar="N", help="end so long after the first event by itself")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_door(main))
