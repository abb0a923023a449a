"""Small networks on the way to an engine, made node by node, and `minehat build` in this process."""

from __future__ import annotations

import argparse

import numpy as np
import onnx
from minehat import build_command
from minehat.card import KEY, ModelCard
from minehat.doors import run_door
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
CARD = ModelCard("tiny", ("helmet", "head"), SIDE, SIDE)

class Graph:
    """A few nodes and weights on the way to an ONNX file."""

    def __init__(self):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(0)

    def weight(self, name, values):
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def quantized(self, x, name, zero_point):
        scales = [self.weight(f"{name}.scale", np.float32(0.05)), self.weight(f"{name}.zero", zero_point)]
        return self.node("DequantizeLinear",
                         [self.node("QuantizeLinear", [x, *scales], f"{name}.q"), *scales], f"{name}.dq")

    def conv(self, x, name, channels, out_channels, precision, zero_point):
        kernel = self.random.normal(size=(out_channels, channels, 3, 3)) * 0.2
        dtype = np.float16 if precision == "fp16" else np.float32
        bias = self.weight(f"{name}.bias", np.zeros(out_channels, dtype))
        if precision == "int8":
            x = self.quantized(x, name, zero_point)
            kernel8 = self.weight(f"{name}.int8", np.clip(np.round(kernel / 0.01), -127, 127).astype(np.int8))
            scale = self.weight(f"{name}.kernel_scale", np.full(out_channels, 0.01, np.float32))
            zero = self.weight(f"{name}.kernel_zero", np.zeros(out_channels, np.int8))
            kernel = self.node("DequantizeLinear", [kernel8, scale, zero], f"{name}.kernel", axis=0)
        else:
            kernel = self.weight(f"{name}.kernel", kernel.astype(dtype))
        return self.node("Conv", [x, kernel, bias], name, pads=[1, 1, 1, 1])


def tiny(precision="fp32", *, card=CARD, batch="batch", zero_point=None, last_op="Sigmoid",
         input_type=TensorProto.FLOAT, scores_type=TensorProto.FLOAT, middle_op="LeakyRelu", input_name="images",
         lifted="", double="", second_input=False):
    """Three convolutions, one of them `lifted` to FP32, and a decode in the shape of ours, as a ModelProto.

    double: float64 inside, as "weights" or by a "cast".
    """
    graph, x, channels = Graph(), input_name, 3
    zero_point = np.int8(0) if zero_point is None else zero_point
    if precision == "fp16":
        x = graph.node("Cast", [x], "down", to=TensorProto.FLOAT16)
    for name, out_channels in (("stem", 8), ("body", 8), ("head", 6)):
        x = graph.conv(x, name, channels, out_channels, "fp32" if name == lifted else precision, zero_point)
        x = graph.node(middle_op, [x], f"{name}.act", alpha=0.1) if name != "head" else x
        channels = out_channels
    if precision == "fp16":
        x = graph.node("Cast", [x], "up", to=TensorProto.FLOAT)
    flat = graph.node("Reshape", [x, graph.weight("shape", np.array([0, 6, -1]))], "flat")
    rows = graph.node("Transpose", [flat], "rows", perm=[0, 2, 1])
    graph.nodes.append(helper.make_node("Split", [rows, graph.weight("parts", np.array([4, 2]))],
                                        ["boxes", "logits"], name="parted", axis=2))
    scores = graph.node(last_op, ["logits"], "scores32")
    if double:
        wide = graph.node("Cast", [scores], "wide", to=TensorProto.DOUBLE) if double == "cast" else graph.node(
            "CastLike", [scores, graph.weight("like", np.float64(1))], "wide")
        scores = graph.node("Cast", [wide], "narrow", to=TensorProto.FLOAT)
    if second_input:
        scores = graph.node("Add", [scores, "bias"], "shifted")
    graph.node("Cast", [scores], "scores", to=scores_type)
    made = model_of(graph, batch, card, input_name, input_type, scores_type)
    if second_input:
        made.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [1]))
    return made


def model_of(graph, batch, card, input_name, input_type, scores_type):
    sides = [batch, 3, SIDE, SIDE]
    made = helper.make_model(helper.make_graph(
        graph.nodes, "tiny", [helper.make_tensor_value_info(input_name, input_type, sides)],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, SIDE * SIDE, 4]),
         helper.make_tensor_value_info("scores", scores_type, [batch, SIDE * SIDE, 2])],
        graph.weights), opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    if card is not None:
        helper.set_model_props(made, {KEY: card.to_json(), "minehat.calibration": '{"images_sha256": "c0ffee"}'})
    return made


def saved(folder, name="tiny.onnx", **kind):
    path = folder / name
    onnx.save(tiny(**kind), path)
    return path


def door(*argv):
    """`minehat build`, all of it in this process."""
    def main(words):
        parser = argparse.ArgumentParser("minehat build")
        build_command.add_arguments(parser)
        args = parser.parse_args(words)
        build_command.check(args)
        return build_command.build(vars(args))
    return run_door(main, [str(word) for word in argv])
