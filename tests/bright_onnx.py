"""A model made on the spot that finds what is bright: small enough to know its answer by heart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from minehat.card import KEY, ModelCard
from onnx import TensorProto, helper, numpy_helper

SIZE, CELL = 96, 32
CARD = ModelCard(name="bright", classes=("helmet", "head"), height=SIZE, width=SIZE)


def bright_onnx(path: Path, card: ModelCard | None = CARD, classes: int = 2, spoiled: str = "") -> Path:
    """Write it. The square's 3 x 3 cells of 32 pixels are its boxes; a cell scores its mean red as
    helmet (column 0) and its mean blue as head (column 1). `spoiled` names a constant to be NaN."""
    cells = SIZE // CELL
    grid = np.array([[x, y, x + CELL, y + CELL] for y in range(0, SIZE, CELL) for x in range(0, SIZE, CELL)])
    constants = {"pick": np.eye(3)[[0, 2][:classes]].reshape(classes, 3, 1, 1), "grid": grid[None],
                 "zero": np.zeros((1, 1, 1))}
    if spoiled:
        constants[spoiled] = constants[spoiled] * np.nan
    nodes = [
        helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Conv", ["means", "pick"], ["maps"]),
        helper.make_node("Reshape", ["maps", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["scores"], perm=[0, 2, 1]),
        helper.make_node("ReduceSum", ["scores", "axis"], ["sums"], keepdims=1),
        helper.make_node("Mul", ["sums", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "grid"], ["boxes"])]
    graph = helper.make_graph(
        nodes, "bright",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", cells * cells, 4]),
         helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", cells * cells, classes])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
        + [numpy_helper.from_array(np.array([0, classes, -1]), "flat"),
           numpy_helper.from_array(np.array([2]), "axis")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    if card is not None:
        helper.set_model_props(model, {KEY: card.to_json()})
    onnx.save(model, str(path))
    return path
