"""minehat inspect models/helmet-nano/helmet-nano.int8.onnx

Tell what an ONNX file, an engine or a card is: classes, sizes, accuracy; how each convolution runs; casts, reformats
and fusions; weights and memory. ONNX files are read without the onnx package. An engine is told by its card
(x.engine.json); on a machine with its TensorRT and GPU also by TensorRT itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .card import read_card
from .errors import MineHatError
from .inspection import EngineFacts, OnnxFacts, engine_facts, onnx_facts
from .inspection.engine_text import engine_text
from .inspection.onnx_text import onnx_text
from .inspection.plain import plain_card, plain_engine, plain_onnx
from .inspection.texts import card_text
from .progress import say
from .report_file import check_report, write_report
from .tables import print_table

_MOST_NAME = 60  # characters of a layer's name in the table; --json holds all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what `minehat inspect` takes."""
    parser.add_argument("file", metavar="FILE", help="an .onnx file, an .engine or a card (.json)")
    parser.add_argument("--layers", action="store_true", help="every layer of an engine, every node of an ONNX file")
    parser.add_argument("--json", metavar="FILE", help="write all that was found into this .json file; - for stdout")


def run(args: argparse.Namespace) -> int:
    """Tell people on stderr and machines in --json. Returns 0; raises MineHatError."""
    path = Path(args.file)
    kind = _kind(path)
    check_report(args.json, file=args.file)
    if kind == "onnx":
        plain = _tell_onnx(onnx_facts(path), args.layers)
    elif kind == "engine":
        plain = _tell_engine(engine_facts(path), args.layers)
    else:
        card = read_card(path)
        say(card_text(path, card))
        plain = plain_card(path, card)
    write_report(args.json, plain)
    return 0


def _kind(path: Path) -> str:
    if not path.is_file() and path.suffix.lower() != ".engine":
        raise MineHatError(f"{path}: no such file.")
    if path.suffix.lower() in (".onnx", ".engine"):
        return path.suffix.lower()[1:]
    if path.suffix.lower() != ".json":
        raise MineHatError(f"{path}: inspect takes an .onnx file, an .engine or a card (.json).")
    return "engine" if b'"engine_sha256"' in path.read_bytes() else "card"


def _tell_onnx(facts: OnnxFacts, layers: bool) -> dict[str, Any]:
    say(onnx_text(facts))
    if layers:
        print_table(("node", "operator", "runs in", "weights", "M multiply-adds"), _node_rows(facts))
    return plain_onnx(facts)


def _node_rows(facts: OnnxFacts) -> list[tuple[str, ...]]:
    convolutions = {conv.output: conv for conv in facts.convolutions}
    rows: list[tuple[str, ...]] = []
    for node in facts.file.nodes:
        conv = convolutions.get(node.outputs[0]) if node.outputs else None
        told = (conv.runs_in, "x".join(map(str, conv.weights)) or "-",
                "-" if conv.macs is None else f"{conv.macs / 1e6:.1f}") if conv else ("-", "-", "-")
        rows.append((node.name[:_MOST_NAME], node.op, *told))
    return rows


def _tell_engine(facts: EngineFacts, layers: bool) -> dict[str, Any]:
    say(engine_text(facts))
    if layers:
        print_table(("layer", "kind", "precision", "writes", "ONNX nodes"),
                    [(layer.name[:_MOST_NAME], layer.kind, layer.precision, ", ".join(layer.outputs) or "-",
                      str(len(layer.nodes))) for layer in facts.layers])
    return plain_engine(facts)
