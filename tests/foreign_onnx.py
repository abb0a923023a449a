"""ONNX files as other people's exporters leave them: their layouts of outputs over a small network of random weights.

Written from what their documentation says of the outputs; nothing of theirs is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
ANCHORS = np.array([[(10, 13), (16, 30), (33, 23)], [(30, 61), (62, 45), (59, 119)],
                    [(116, 90), (156, 198), (373, 326)]], np.float32)


@dataclass
class Kind:
    """What to make. `layout` is one of the makers below."""

    layout: str
    height: int = 96
    width: int = 96
    classes: int = 3
    batch: int | str = "batch"
    half: bool = False
    last: bool = False  # channels last, input and maps
    free: bool = False  # sides of the input are free
    opset: int = 17
    input: str = "images"
    leaky: bool = False  # LeakyReLU, else SiLU
    metadata: dict[str, str] = field(default_factory=dict)
    seed: int = 0


class Net:
    """Nodes and weights on the way to a file."""

    def __init__(self, kind: Kind) -> None:
        self.kind, self.nodes, self.weights = kind, [], []
        self.random = np.random.default_rng(kind.seed)
        self.dtype = np.float16 if kind.half else np.float32

    def __call__(self, op: str, *inputs: Any, output: str = "", count: int = 1, **attributes: Any) -> Any:
        names = [output or f"t{len(self.nodes)}_{row}" for row in range(count)]
        self.nodes.append(helper.make_node(op, [self.named(one) for one in inputs], names, **attributes))
        return names[0] if count == 1 else names

    def named(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        value = np.asarray(value)
        value = value.astype(self.dtype) if value.dtype.kind == "f" else value
        self.weights.append(numpy_helper.from_array(value, f"w{len(self.weights)}"))
        return self.weights[-1].name

    def conv(self, x: str, before: int, after: int, side: int = 1, size: float = 0.4) -> str:
        kernel = self.random.normal(size=(after, before, side, side)) * size / np.sqrt(before * side * side)
        return self("Conv", x, kernel, self.random.normal(size=after) * size, strides=[side, side])

    def body(self) -> list[str]:
        """Maps [N, 8, h, w] of strides 8, 16, 32."""
        x = self("Transpose", self.kind.input, perm=[0, 3, 1, 2]) if self.kind.last else self.kind.input
        x = self.act(self.conv(x, 3, 8, 8, size=3.0))
        maps = [x]
        for _ in STRIDES[1:]:
            maps.append(self.act(self.conv(maps[-1], 8, 8, 2, size=1.5)))
        return maps

    def act(self, x: str) -> str:
        return self("LeakyRelu", x, alpha=0.1) if self.kind.leaky else self("Mul", x, self("Sigmoid", x))

    def part(self, x: str, start: int, stop: int, axis: int) -> str:
        return self("Slice", x, np.array([start]), np.array([stop]), np.array([axis]))


def make(kind: Kind) -> onnx.ModelProto:
    """The file's content."""
    net = Net(kind)
    outputs = MAKERS[kind.layout](net)
    dtype = TensorProto.FLOAT16 if kind.half else TensorProto.FLOAT
    sides = ["height", "width"] if kind.free else [kind.height, kind.width]
    shape = [kind.batch, *sides, 3] if kind.last else [kind.batch, 3, *sides]
    graph = helper.make_graph(net.nodes, "foreign", [helper.make_tensor_value_info(kind.input, dtype, shape)],
                              [helper.make_tensor_value_info(name, dtype, [None] * rank) for name, rank in outputs],
                              net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", kind.opset)], ir_version=8)
    helper.set_model_props(model, kind.metadata)
    return model


def ultralytics(*names: str, **more: object) -> dict[str, str]:
    """Metadata in Ultralytics' manner."""
    return {"names": str(dict(enumerate(names))), "stride": "32", **{key: str(value) for key, value in more.items()}}


def _cells(net: Net, scale: int) -> np.ndarray:
    """x y of the cells of a scale, [h, w, 2]."""
    height, width = net.kind.height // STRIDES[scale], net.kind.width // STRIDES[scale]
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def _yolov5(net: Net) -> list[tuple[str, int]]:
    """Anchors' sides in twice a sigmoid, squared; centres in twice a sigmoid, less a half."""
    return [(_anchored(net, yolov5=True), 3)]


def _yolov5_with_maps(net: Net) -> list[tuple[str, int]]:
    """As earlier ones: the raw maps [N, 3, h, w, 5+C] come out too."""
    raw: list[str] = []
    return [(_anchored(net, yolov5=True, raw=raw), 3), *((name, 5) for name in raw)]


def _yolov5_growing(net: Net) -> list[tuple[str, int]]:
    """As exports with free sides: shapes and grids are worked out in the graph, from the picture's own."""
    columns, rows = 5 + net.kind.classes, []
    for scale, x in enumerate(net.body()):
        x = net.conv(x, 8, 3 * columns)
        batch, _, height, width = (net("Gather", net("Shape", x), np.array(axis), axis=0) for axis in range(4))
        sides = [net("Unsqueeze", side, np.array([0])) for side in (batch, height, width)]
        shape = net("Concat", sides[0], np.array([3, columns]), sides[1], sides[2], axis=0)
        x = net("Transpose", net("Reshape", x, shape), perm=[0, 1, 3, 4, 2])
        lines = [net("Cast", net("Range", np.array(0), side, np.array(1)), to=TensorProto.FLOAT)
                 for side in (width, height)]
        whole = net("Concat", sides[1], sides[2], axis=0)
        across = net("Expand", net("Unsqueeze", lines[0], np.array([0])), whole)
        down = net("Expand", net("Unsqueeze", lines[1], np.array([1])), whole)
        cells = net("Concat", *(net("Unsqueeze", line, np.array([2])) for line in (across, down)), axis=2)
        share = net("Sigmoid", x)
        centre = net("Sub", net("Mul", net.part(share, 0, 2, 4), np.float32(2)), np.float32(0.5))
        centre = net("Mul", net("Add", centre, cells), np.float32(STRIDES[scale]))
        twice = net("Mul", net.part(share, 2, 4, 4), np.float32(2))
        size = net("Mul", net("Mul", twice, twice), ANCHORS[scale][None, :, None, None])
        each = net("Mul", net("Mul", height, width), np.array(3))
        flat = net("Concat", sides[0], net("Unsqueeze", each, np.array([0])), np.array([columns]), axis=0)
        rows.append(net("Reshape", net("Concat", centre, size, net.part(share, 4, columns, 4), axis=4), flat))
    return [(net("Concat", *rows, axis=1, output="output0"), 3)]


def _yolov3(net: Net) -> list[tuple[str, int]]:
    return [(_anchored(net, yolov5=False), 3)]


def _anchored(net: Net, yolov5: bool, raw: list[str] | None = None) -> str:
    columns, rows = 5 + net.kind.classes, []
    for scale, x in enumerate(net.body()):
        height, width = net.kind.height // STRIDES[scale], net.kind.width // STRIDES[scale]
        x = net("Reshape", net.conv(x, 8, 3 * columns), np.array([0, 3, columns, height, width]))
        x = net("Transpose", x, perm=[0, 1, 3, 4, 2])
        if raw is not None:
            raw.append(x)
        cells, anchors = _cells(net, scale)[None, None], ANCHORS[scale][None, :, None, None]
        share = net("Sigmoid", x)
        centre, size = net.part(share, 0, 2, 4), net.part(share, 2, 4, 4)
        if yolov5:
            centre = net("Sub", net("Mul", centre, np.float32(2)), np.float32(0.5))
            twice = net("Mul", size, np.float32(2))
            size = net("Mul", net("Mul", twice, twice), anchors)
        else:
            size = net("Mul", net("Exp", net.part(x, 2, 4, 4)), anchors)
        centre = net("Mul", net("Add", centre, cells), np.float32(STRIDES[scale]))
        whole = net("Concat", centre, size, net.part(share, 4, columns, 4), axis=4)
        rows.append(net("Reshape", whole, np.array([0, 3 * height * width, columns])))
    return net("Concat", *rows, axis=1, output="output0")


def _yolox(net: Net) -> list[tuple[str, int]]:
    return [(_offsets(net, "output"), 3)]


def _yolox_decoded(net: Net) -> list[tuple[str, int]]:
    x = _offsets(net, "raw")
    cells = np.concatenate([_cells(net, scale).reshape(-1, 2) for scale in range(3)])[None]
    steps = np.concatenate([np.full((_cells(net, scale).size // 2, 1), s, np.float32)
                            for scale, s in enumerate(STRIDES)])[None]
    centre = net("Mul", net("Add", net.part(x, 0, 2, 2), cells), steps)
    size = net("Mul", net("Exp", net.part(x, 2, 4, 2)), steps)
    return [(net("Concat", centre, size, net.part(x, 4, 99, 2), axis=2, output="output"), 3)]


def _offsets(net: Net, name: str) -> str:
    rows = []
    for x in net.body():
        parts = [net.conv(x, 8, 4), net("Sigmoid", net.conv(x, 8, 1)), net("Sigmoid", net.conv(x, 8, net.kind.classes))]
        rows.append(net("Reshape", net("Concat", *parts, axis=1), np.array([0, 5 + net.kind.classes, -1])))
    return net("Transpose", net("Concat", *rows, axis=2), perm=[0, 2, 1], output=name)


def _yolov8(net: Net) -> list[tuple[str, int]]:
    return [(_distances(net, "output0", corners=False), 3)]


def _distances(net: Net, name: str, corners: bool) -> str:
    """Four distances of each cell's middle, means over 16 bins by a convolution with the weights 0..15."""
    bins, classes, middles, steps = [], [], [], []
    for scale, x in enumerate(net.body()):
        bins.append(net("Reshape", net.conv(x, 8, 64), np.array([0, 64, -1])))
        classes.append(net("Reshape", net.conv(x, 8, net.kind.classes), np.array([0, net.kind.classes, -1])))
        middles.append(_cells(net, scale).reshape(-1, 2).T + 0.5)
        steps.append(np.full(middles[-1].shape[1], STRIDES[scale], np.float32))
    middle, step = np.concatenate(middles, axis=1)[None], np.concatenate(steps)[None, None]
    x = net("Transpose", net("Reshape", net("Concat", *bins, axis=2), np.array([0, 4, 16, -1])), perm=[0, 2, 1, 3])
    x = net("Conv", net("Softmax", x, axis=1), np.arange(16.0).reshape(1, 16, 1, 1))
    x = net("Reshape", x, np.array([0, 4, middle.shape[2]]))
    low, high = (net(op, middle, net.part(x, start, start + 2, 1)) for op, start in (("Sub", 0), ("Add", 2)))
    parts = [low, high] if corners else [net("Div", net("Add", low, high), np.float32(2)), net("Sub", high, low)]
    boxes = net("Mul", net("Concat", *parts, axis=1), step)
    return net("Concat", boxes, net("Sigmoid", net("Concat", *classes, axis=2)), axis=1, output=name)


def _yolov10(net: Net, most: int = 50) -> list[tuple[str, int]]:
    """The best boxes of one-to-one heads."""
    rows = net("Transpose", _distances(net, "all", corners=True), perm=[0, 2, 1])
    shares = net.part(rows, 4, 99, 2)
    best = net("ReduceMax", shares, axes=[2], keepdims=0)
    score, row = net("TopK", best, np.array([most]), count=2, axis=1)
    label = net("Cast", net("ArgMax", shares, axis=2, keepdims=0), to=TensorProto.FLOAT)
    label = net("GatherElements", label, row, axis=1)
    if net.kind.half:
        label = net("Cast", label, to=TensorProto.FLOAT16)
    where = net("Tile", net("Unsqueeze", row, np.array([2])), np.array([1, 1, 4]))
    parts = [net("GatherElements", net.part(rows, 0, 4, 2), where, axis=1),
             net("Unsqueeze", score, np.array([2])), net("Unsqueeze", label, np.array([2]))]
    return [(net("Concat", *parts, axis=2, output="output0"), 3)]


def _yolov3_maps(net: Net) -> list[tuple[str, int]]:
    """Coarsest first, as Darknet's cfg has them."""
    names = []
    for x in reversed(net.body()):
        x = net.conv(x, 8, 3 * (5 + net.kind.classes))
        names.append((net("Transpose", x, perm=[0, 2, 3, 1]) if net.kind.last else x, 4))
    return names


def _yolov3_maps_apart(net: Net) -> list[tuple[str, int]]:
    """[N, h, w, A, 5+C], the middle one first."""
    maps = _yolov3_maps(net)
    names = []
    for scale, (x, _) in zip((2, 1, 0), maps, strict=True):
        height, width = net.kind.height // STRIDES[scale], net.kind.width // STRIDES[scale]
        names.append((net("Reshape", x, np.array([0, height, width, 3, 5 + net.kind.classes])), 5))
    return [names[1], names[0], names[2]]


def _segment(net: Net) -> list[tuple[str, int]]:
    return [*_yolov8(net), (net.conv(net.body()[0], 8, 32), 4)]


def _classify(net: Net) -> list[tuple[str, int]]:
    return [(net("Softmax", net("Flatten", net("GlobalAveragePool", net.body()[2]))), 2)]


def _own_nms(net: Net) -> list[tuple[str, int]]:
    """Suppression in a form of its own: picture, corners, class, score in rows of seven."""
    rows = net("Transpose", _distances(net, "all", corners=True), perm=[0, 2, 1])
    return [(net("Reshape", net.part(rows, 0, 7, 2), np.array([-1, 7])), 2)]


MAKERS = {"yolov5": _yolov5, "yolov5 growing": _yolov5_growing, "yolov5 with maps": _yolov5_with_maps,
          "yolov3": _yolov3, "yolox": _yolox, "yolox-decoded": _yolox_decoded, "yolov8": _yolov8,
          "yolov10": _yolov10, "yolov3-maps": _yolov3_maps, "yolov3-maps apart": _yolov3_maps_apart,
          "segment": _segment, "classify": _classify, "own nms": _own_nms}
