"""Train the helmet detector.

    python export/train.py --data helmets --data heads@0.3 --val helmets --out runs/nano
    python export/train.py --resume --out runs/nano                # after any interruption
    torchrun --nproc-per-node 4 export/train.py --data ...         # several GPUs, or nodes

Each --data is a set of labelled pictures: a Pascal VOC folder, a YOLO folder (data.yaml) or COCO (json).
`FOLDER@SHARE` says how often an epoch draws each of its pictures, on average, so that a large set does not swamp a
small one; `FOLDER:PREFIX` takes the pictures whose names begin so. All labels and pictures are checked first, and all
faults are listed before any step is run; export/check_data.py shows more of them.

--mode paper is the recipe of Liu & Zhang 2020 (SGD, 5e-4, a tenth every 10,000 steps, YOLOv3's loss); pre-train on
public heads, then fine-tune on your frames with --init. --mode modern is ours, for the same network.

The run folder gets best.pt (by mAP50 on --val), last.pt, results.csv, curves.png, TensorBoard's events/ and, at the
end, plots/ of best.pt. Export best.pt with export/to_onnx.py.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from minehat.arguments import parser_of
from minehat.doors import run_door
from minehat.errors import MineHatError
from minehat.labels import class_map
from minehat.progress import muted, say
from minehat.scoring import detail
from minenet.checkpoint import load_checkpoint
from minenet.classes import CLASSES
from minenet.data.asked_sets import asked_scenes
from minenet.data.rendered import rendered_source
from minenet.data.sources import Material, read_material
from minenet.evaluation import detections_of
from minenet.network import MineNet
from minenet.plots import draw_worst, load_matplotlib, plot_detail
from minenet.training.asked import resumed, run_flags, settings_of
from minenet.training.flags import add_flags
from minenet.training.owned import owned
from minenet.training.processes import Processes, joined
from minenet.training.run import Run
from minenet.training.settings import TrainSettings
from minenet.training.start import card_of, network_of


def arguments() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    add_flags(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    args = arguments().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    with joined(args.device) as processes, owned(args.out) if processes.is_first else muted():
        _train(args, processes)
    return 0


def _train(args: argparse.Namespace, processes: Processes) -> None:
    asked, settings, material, network = processes.agreed(lambda: _prepared(args, processes.count))
    card = card_of(network, material.sources, settings, args.out / "last.pt" if args.resume else args.init)
    run = Run(network, card, settings, args.out, processes, material.val_name, asked, args.workers, args.save_every)
    if args.resume:
        run.resume(args.out / "last.pt")
    pictures, parameters = sum(len(s.samples) for s in material.sources), sum(p.numel() for p in network.parameters())
    say(f"{pictures} pictures, {parameters / 1e6:.1f} M parameters, anchors {network.recipe.anchors}")
    run.fit(material.sources, material.val)
    if processes.is_first:
        _conclude(run, material, args.out)


def _prepared(args: argparse.Namespace, processes: int) -> tuple[dict[str, Any], TrainSettings, Material, MineNet]:
    """All that can be wrong before the first step: what is asked, its settings, pictures and network."""
    load_matplotlib()
    asked = resumed(args) if args.resume else _begun(args)
    settings = settings_of(asked)
    settings.share_of(processes)
    torch.manual_seed(settings.seed)
    material = _material(asked, settings)
    start = args.out / "last.pt" if args.resume else args.init
    return asked, settings, material, network_of(asked, start, material.sources, settings)


def _begun(args: argparse.Namespace) -> dict[str, Any]:
    """What a new run is asked. Its folder must hold no other one, and be ours to write to."""
    if (args.out / "last.pt").exists():
        raise MineHatError(f"{args.out} holds a run already: go on with --resume, or name another --out.")
    if not args.data and not args.scenes:
        raise MineHatError("there is nothing to train on: give --data FOLDER, or --scenes COUNT.")
    return run_flags(args)


def _material(asked: dict[str, Any], settings: TrainSettings) -> Material:
    """The sets that were asked for, all known to be readable, and the rendered scenes."""
    count, part = asked_scenes(asked.get("scenes"))
    material = read_material(asked.get("data", ()), asked.get("val"), CLASSES, settings.size,
                             class_map(asked.get("map", ())))
    if count:
        material.sources.append(rendered_source(count, settings.size, settings.seed, part))
    return material


def _conclude(run: Run, material: Material, out: Path) -> None:
    """Plots of the best weights, and what to do with them."""
    if not material.val:
        say(f"done, not scored for want of --val. {_next(out / 'last.pt')}")
        return
    network, card, _ = load_checkpoint(out / "best.pt", run.processes.device)
    found = detections_of(network, material.val, card, run.processes.device, run.settings.precision == "bf16")
    plot_detail(detail(found, material.val, CLASSES, card.conf, (card.height, card.width)), out / "plots")
    draw_worst(material.val, found, CLASSES, card.conf, out / "plots" / "worst.jpg")
    say(f"done: best mAP50 {run.place.best:.4f}; look at {out / 'curves.png'} and {out / 'plots'}. "
        f"{_next(out / 'best.pt')}")


def _next(checkpoint: Path) -> str:
    return f"Next: python export/to_onnx.py {shlex.quote(str(checkpoint))} helmet.onnx"


if __name__ == "__main__":
    sys.exit(run_door(main))
