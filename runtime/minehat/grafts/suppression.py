"""Suppression inside the graph: the same model with less to bring back from the device, and its card."""

from __future__ import annotations

from typing import Any

from ..card import OUTPUTS, ModelCard
from ..errors import MineHatError
from ..guests import load_onnx
from .fixed_point import suppressed_inside
from .plugin import DOMAIN, suppressed_by_plugin
from .topk import best_rows
from .writer import Writer, set_card

USUAL_CANDIDATES = 300
MOST_CANDIDATES = 3839  # TensorRT's TopK ends there
LEAST_OPSET = 13
PREFIX = "suppression"
PURPOSE = "graft suppression onto a network"


def with_suppression(model: Any, card: ModelCard, nms: str,
                     candidates: int | None = None) -> tuple[Any, ModelCard]:
    """A copy of `model` (an onnx.ModelProto) with suppression inside, and its card, which the copy carries.

    nms: topk (the best boxes, outputs as before), graph (suppressed by ordinary operators) or plugin (by
    EfficientNMS_TRT, which only full TensorRT has); the outputs are `minehat.card.OUTPUTS[nms]`. candidates: boxes a
    picture that go in, the best first; None for the usual 300. The card's `conf` and `iou` become part of the graph
    with graph and plugin. Raises MineHatError where it cannot be done.
    """
    if nms not in OUTPUTS or nms == "none":
        raise MineHatError(f"--nms must be one of {', '.join(OUTPUTS)}, found {nms!r}.")
    if card.suppression != "none":
        raise MineHatError(f"{card.name} has suppression inside already ({card.suppression}). Give the model that it "
                           "was made from.")
    if card.decode == "outside":
        raise MineHatError(f"{card.name} gives raw maps (decode outside), and suppression inside wants boxes. Give the "
                           "model that it was made from.")
    wanted = USUAL_CANDIDATES if candidates is None else candidates
    if not 1 <= wanted <= MOST_CANDIDATES:
        raise MineHatError(f"--candidates must lie in 1..{MOST_CANDIDATES}, found {wanted}.")
    rows = _check(model, card)
    most = min(wanted, rows)
    grown = load_onnx(PURPOSE).ModelProto()
    grown.CopyFrom(model)
    _grow(grown, card, nms, most, rows)
    child = card.with_(suppression=nms, outputs=OUTPUTS[nms], candidates=most if most < rows else 0)
    _set_outputs(grown, nms, most, len(card.classes))
    set_card(grown, child)
    return grown, child


def _grow(model: Any, card: ModelCard, nms: str, most: int, rows: int) -> None:
    """Write the nodes of `nms`, with `most` of `rows` boxes going in."""
    boxes, scores = _set_aside(model.graph, OUTPUTS[nms], card.outputs)
    write = Writer(model, PREFIX)
    if nms == "plugin":
        suppressed_by_plugin(write, boxes, scores, card, most)
        model.opset_import.add(domain=DOMAIN, version=1)
        return
    best = best_rows(write, boxes, scores, most, len(card.classes))
    if nms == "graph":
        suppressed_inside(write, best, card, most, all_are_in=most == rows)
    else:
        write.node("Identity", (best.boxes,), ["boxes"])
        write.node("Identity", (best.scores,), ["scores"])


def _check(model: Any, card: ModelCard) -> int:
    """How many boxes a picture the network gives. Raises MineHatError where nothing can be grafted onto it."""
    onnx = load_onnx(PURPOSE)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < LEAST_OPSET:
        raise MineHatError(f"{card.name} has opset {opset}; suppression inside wants {LEAST_OPSET} or later. Export it "
                           "again: `python export/to_onnx.py CHECKPOINT OUT.onnx`.")
    outputs = {value.name: value for value in model.graph.output}
    if len(card.outputs) != 2 or not set(card.outputs) <= set(outputs):
        raise MineHatError(f"{card.name} gives {', '.join(outputs)}; its card says {', '.join(card.outputs)}. Give "
                           "the card that belongs to it with --card.")
    types = {name: outputs[name].type.tensor_type for name in card.outputs}
    half = [name for name, kind in types.items() if kind.elem_type != onnx.TensorProto.FLOAT]
    if half:
        raise MineHatError(f"{card.name}: {', '.join(half)} must be float32, as decode stays in every precision. Make "
                           "the file again: `python calib/quantize.py`.")
    shapes = {name: [side.dim_value for side in kind.shape.dim] for name, kind in types.items()}
    boxes, scores = (shapes[name] for name in card.outputs)
    if len(boxes) != 3 or len(scores) != 3 or (boxes[2], scores[2]) != (4, len(card.classes)):
        raise MineHatError(f"{card.name} gives {boxes} and {scores} (0 where unknown); wanted [N, B, 4] and [N, B, "
                           f"{len(card.classes)}]. Give the card that belongs to it with --card.")
    rows = boxes[1] or scores[1]
    if not rows:
        raise MineHatError(f"{card.name} does not say how many boxes it gives. Export it again with a fixed height "
                           "and width; only the batch may be open.")
    return int(rows)


def _set_aside(graph: Any, taken: tuple[str, ...], outputs: tuple[str, ...]) -> list[str]:
    """Rename every tensor that bears a name in `taken`, which ours need; what the `outputs` are called then."""
    new = {name: f"{PREFIX}/all_{name}" for name in taken}
    for node in graph.node:
        for names in (node.input, node.output):
            for row, name in enumerate(names):
                names[row] = new.get(name, name)
    for value in (*graph.initializer, *graph.value_info):
        value.name = new.get(value.name, value.name)
    return [new.get(name, name) for name in outputs]


def _set_outputs(model: Any, nms: str, most: int, classes: int) -> None:
    onnx = load_onnx(PURPOSE)
    kinds, batch = onnx.TensorProto, model.graph.input[0].type.tensor_type.shape.dim[0]
    n = batch.dim_param or batch.dim_value or None
    shapes = {"boxes": (kinds.FLOAT, [n, most, 4]),
              "scores": (kinds.FLOAT, [n, most, classes] if nms == "topk" else [n, most]),
              "labels": (kinds.INT64, [n, most]), "count": (kinds.INT64, [n]), "converged": (kinds.BOOL, [n])}
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, *shapes[name]) for name in OUTPUTS[nms])
