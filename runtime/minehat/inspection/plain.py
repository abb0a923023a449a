"""Facts as machines read them: plain JSON, nothing left out but the weights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..card import ModelCard
from ..engine.layer_facts import casts, fused, reformats
from ..engine.layers import counted
from .convolutions import total_macs
from .engine_facts import EngineFacts
from .onnx_facts import OnnxFacts


def plain_onnx(facts: OnnxFacts) -> dict[str, Any]:
    """Of an ONNX file; sizes in bytes, `size` as WxH, multiply-adds a picture."""
    own = ("size_bytes", "sha256", "no_card", "operators", "lifted", "parameters", "outside", "calibration")
    file, size = facts.file, facts.input_size
    return {"file": str(facts.path), "kind": "onnx", "card": _card(facts.card),
            **{key: getattr(facts, key) for key in own}, "producer": file.producer, "opsets": file.opsets,
            "inputs": [asdict(value) for value in file.inputs], "outputs": [asdict(value) for value in file.outputs],
            "nodes": [{"name": node.name, "op": node.op, "inputs": node.inputs, "outputs": node.outputs}
                      for node in file.nodes],
            "size": f"{size[1]}x{size[0]}" if size else None,
            "precisions": counted(conv.runs_in for conv in facts.convolutions), "macs": total_macs(facts.convolutions),
            "convolutions": [asdict(conv) for conv in facts.convolutions],
            "constants": {dtype: {"values": count, "bytes": size} for dtype, (count, size) in facts.constants.items()}}


def plain_engine(facts: EngineFacts) -> dict[str, Any]:
    """Of an engine; `card` holds its layers, `seen` those that TensorRT told of here, where it was asked."""
    layers = facts.layers
    inputs, outputs = facts.ends
    return {"file": str(facts.path), "kind": "engine", "fault": facts.fault, "card": json.loads(facts.card.to_json()),
            "inputs": [asdict(tensor) for tensor in inputs], "outputs": [asdict(tensor) for tensor in outputs],
            "precisions": facts.card.precisions, "layers": counted(layer.precision for layer in layers),
            "casts": [layer.name for layer in casts(layers)], "reformats": [layer.name for layer in reformats(layers)],
            "fused": {layer.name: list(layer.nodes) for layer in fused(layers)}, "memory": asdict(facts.memory),
            "seen": asdict(facts.seen) if facts.seen else None, "unseen": facts.unseen}


def plain_card(path: Path, card: ModelCard) -> dict[str, Any]:
    """Of a card alone."""
    return {"file": str(path), "kind": "card", "card": _card(card)}


def _card(card: ModelCard | None) -> dict[str, Any] | None:
    return asdict(card) if card else None
