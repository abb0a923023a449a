"""modelopt_int8.py helmet.onnx --squares out/peers/squares --method entropy -o out/peers/modelopt-entropy.onnx

INT8 by NVIDIA ModelOpt, on the calibration squares that the others get, decode left in float. It pins versions of its
own, so it wants an environment of its own, and the runtime on the path:

    python -m venv /tmp/modelopt
    /tmp/modelopt/bin/pip install torch==2.13.0 "nvidia-modelopt[onnx]==0.47.0" opencv-python-headless pillow
    PYTHONPATH=runtime:benchmarks /tmp/modelopt/bin/python benchmarks/peers/modelopt_int8.py ...

What it writes carries the model's card and is scored by `accuracy.py ... --peers out/peers` in our environment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from minebench.peers.graphs import decode_of, keep_card
from minebench.peers.squares import batches, squares_in
from minehat.arguments import parser_of, positive
from minehat.card import read_card
from minehat.doors import DONE, run_door
from minehat.errors import missing
from minehat.files import sha256_of, written_whole
from minehat.progress import say
from minehat.scoring import spread

METHODS = ("entropy", "max")


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    onnx, quantize = _load()
    card = read_card(asked.model)
    plain = onnx.load(asked.model)
    squares = spread(squares_in(asked.squares), asked.limit)
    shown = np.concatenate(list(batches(squares, card)))
    _, decode = decode_of(plain)
    with TemporaryDirectory() as folder:  # it leaves steps of its work beside what it writes
        step = Path(folder) / "int8.onnx"
        quantize(str(asked.model), quantize_mode="int8", calibration_data={plain.graph.input[0].name: shown},
                 calibration_method=asked.method, calibration_eps=["cpu"], nodes_to_exclude=decode,
                 high_precision_dtype="fp32", output_path=str(step))
        whole = onnx.load(step)
    keep_card(whole, card.with_(precision="int8", parent_sha256=sha256_of(asked.model), accuracy={}))
    with written_whole(asked.out) as scratch:
        onnx.save(whole, scratch)
    say(f"{asked.out}: {asked.method}, {len(squares)} squares")
    return DONE


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("model", type=Path, help="the FP32 detector")
    parser.add_argument("--squares", type=Path, required=True, metavar="FOLDER", help="what it calibrates on")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help="(default: %(default)s)")
    parser.add_argument("--limit", type=positive, metavar="N", help="calibrate on N of the squares: it holds in memory "
                        "what every layer answers to all of them")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    return parser.parse_args(argv)


def _load() -> tuple[Any, Any]:
    try:
        import onnx
        from modelopt.onnx.quantization import quantize
    except ModuleNotFoundError as exc:
        raise missing(f"{exc.name}", "quantize by ModelOpt", 'Make the environment that `--help` describes.') from exc
    return onnx, quantize


if __name__ == "__main__":
    sys.exit(run_door(main))
