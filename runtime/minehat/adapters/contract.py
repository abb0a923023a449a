"""The graph's contract, grafted onto a foreign graph: input `images`, outputs `boxes` and `scores`, all float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..card import KEY, ModelCard
from ..errors import MineHatError
from ..guests import load_onnx
from .columns import Columns, chosen
from .dfl import LEAST_OPSET, without_bin_convolutions
from .evidence import all_over, are_shares
from .foreign import Foreign, answered
from .graft import Graft
from .layout import Asked, Layout
from .opset import opset_of
from .weights import with_weights_of_their_own

INPUT, BOXES, SCORES = "images", "boxes", "scores"
BATCH = "batch"  # how a free batch is called
Array = npt.NDArray[Any]


def graft_contract(foreign: Foreign, layout: Layout, columns: Columns, asked: Asked, card: ModelCard) -> None:
    """Change the foreign model in place; its own metadata stay, for they tell whose it is."""
    onnx = load_onnx("adapt models")
    graft = Graft(foreign.model, onnx)
    _fit_input(graft, foreign)
    with_weights_of_their_own(foreign.model.graph)
    if opset_of(foreign.model) >= LEAST_OPSET:
        without_bin_convolutions(graft)
    floats = {name: graft("Cast", name, to=onnx.TensorProto.FLOAT) if name in foreign.halves else name
              for name in foreign.answers}
    boxes, scores = layout.graft(graft, foreign, floats, asked)
    graft.rename(chosen(graft, scores, columns, asked.classes or 0), SCORES)
    graft.rename(boxes, BOXES)
    for node in foreign.model.graph.node:
        node.name = node.name or f"{node.op_type} {node.output[0]}"
    _declare(foreign, foreign.batch or BATCH, "rows", len(columns.classes))
    entry = foreign.model.metadata_props.add()
    entry.key, entry.value = KEY, card.to_json()


def settle(foreign: Foreign, layout: str) -> tuple[int, tuple[str, ...]]:
    """Try the grafted model on noise and declare its shapes: boxes a picture, and what a person should know.

    Raises MineHatError for answers that are none.
    """
    boxes, scores = _answer(foreign, foreign.batch or 2)
    if not (np.isfinite(boxes).all() and are_shares(scores)):
        raise MineHatError(f"{foreign.path} read as {layout} gives boxes that are not finite, or scores from "
                           f"{scores.min():.3g} to {scores.max():.3g} where 0 to 1 were wanted: it has another layout.")
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    _declare(foreign, foreign.batch or BATCH, boxes.shape[1], scores.shape[2])
    if layout == "yolov10" or all_over(centres, foreign):
        return boxes.shape[1], ()
    return boxes.shape[1], (f"read as {layout}, the centres of its boxes do not lie all over the square: is it that "
                            "layout?",)


def _answer(foreign: Foreign, batch: int) -> tuple[Array, Array]:
    noise = np.random.default_rng(0).random((batch, 3, foreign.height, foreign.width), np.float32)
    answers = answered(foreign.model, {INPUT: noise}, foreign.path)
    return answers[BOXES], answers[SCORES]


def _fit_input(graft: Graft, foreign: Foreign) -> None:
    """`images` float32 [N, 3, H, W] in place of an input of another name, type or order."""
    name, made = foreign.input, []
    if not foreign.half and not foreign.channels_last:
        graft.rename(name, INPUT)
        return
    helper = graft.onnx.helper
    if name == INPUT:
        name = graft.free(f"{INPUT}.theirs")
        graft.rename(INPUT, name)
    source = INPUT
    if foreign.half:
        target = name if not foreign.channels_last else graft.free("adapt.half")
        made.append(helper.make_node("Cast", [source], [target], to=graft.onnx.TensorProto.FLOAT16))
        source = target
    if foreign.channels_last:
        made.append(helper.make_node("Transpose", [source], [name], perm=[0, 2, 3, 1]))
    for node in reversed(made):
        graft.graph.node.insert(0, node)


def _declare(foreign: Foreign, batch: int | str, rows: int | str, classes: int) -> None:
    onnx, graph = load_onnx("adapt models"), foreign.model.graph
    for values in (graph.input, graph.output, graph.value_info):
        del values[:]
    for values, name, shape in ((graph.input, INPUT, [batch, 3, foreign.height, foreign.width]),
                                (graph.output, BOXES, [batch, rows, 4]),
                                (graph.output, SCORES, [batch, rows, classes])):
        values.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
