"""What others' tools are told about our graphs: where decode begins, and the card that their files shall carry."""

from __future__ import annotations

from typing import Any

from minehat.card import KEY, ModelCard
from onnx import ModelProto, helper


def keep_card(model: ModelProto, card: ModelCard) -> None:
    """Write the card into the model's metadata, beside what is there."""
    helper.set_model_props(model, {**{entry.key: entry.value for entry in model.metadata_props}, KEY: card.to_json()})


def decode_of(model: ModelProto) -> tuple[list[str], list[str]]:
    """Names of the last convolutions, and of the nodes downstream of them."""
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    leads: set[str] = set()  # outputs that lead to a convolution
    for node in reversed(model.graph.node):
        below = [reader for name in node.output for reader in readers.get(name, [])]
        if any(reader.op_type == "Conv" or leads.intersection(reader.output) for reader in below):
            leads.update(node.output)
    last = [node for node in model.graph.node if node.op_type == "Conv" and not leads.intersection(node.output)]
    beyond = {name for node in last for name in node.output}
    decode = []
    for node in model.graph.node:
        if beyond.intersection(node.input):
            beyond.update(node.output)
            decode.append(node.name)
    return [node.name for node in last], decode
